# ./build.sh systems: other systems, cross-compiled here and run by Wine and qemu. docs/systems.md says what ran, and how long it took.
# Sourced by build.sh, whose functions it calls.

managed_output="$PWD/artifacts/systems/dotnet" # not the build's own: a restore for another system changes what lies there
losses="$PWD/artifacts/systems/losses"

want_runner_for() {
  case $1 in
    win-x64) want wine64 eval 'has wine64 || has wine || test -x /usr/lib/wine/wine64' ;;
    linux-arm64) want qemu-user has qemu-aarch64 ;;
    *) echo "systems knows win-x64 and linux-arm64, not $1." >&2; exit 2 ;;
  esac
}

# Both map memory that is written to and run at two addresses badly: qemu slowly, and under Wine the runtime ends with an internal
# error (0x80131506) where it frees a method that was made at run time.
export DOTNET_EnableWriteXorExecute=0

# Runs a program of another system.
on_win-x64() { # in a Windows of our own, where .NET finds what it needs to catch exceptions (wine_exceptions.c) by a name of no profiler
  WINEPREFIX="$PWD/artifacts/wine" WINEDEBUG=-all CORECLR_ENABLE_PROFILING=1 CORECLR_PROFILER='{5f0dbb54-7e3c-4f0b-9c0e-3c1a54c9b7d1}' \
    CORECLR_PROFILER_PATH="Z:$wine_exceptions" timeout 30m "$wine" "$@"
}
make_wine_exceptions() {
  wine_exceptions="$PWD/artifacts/systems/wine-exceptions.dll"
  x86_64-w64-mingw32-gcc-posix -O2 -Wall -Wextra -Werror -shared -static -s -o "$wine_exceptions" tests/systems/wine_exceptions.c
}
on_linux-arm64() { timeout 60m qemu-aarch64 -L /usr/aarch64-linux-gnu "$@"; }

publish() { # publish SYSTEM PROJECT: a program with its .NET and the native library, in a folder of its own
  dotnet publish "$2" -c Release -r "$1" --self-contained -v quiet --artifacts-path "$managed_output" -o "$PWD/artifacts/systems/$1/$(basename "$2")"
}
program_of() { # program_of SYSTEM NAME
  local path="artifacts/systems/$1/$2/$2"
  if [[ $1 == win-* ]]; then path+=.exe; fi
  echo "$path"
}
command_of() { program_of "$1" NativeAmp.Cli; }

# Redirected, its text is in UTF-8 all the same.
doctor_runs() {
  local text
  text=$("on_$1" "$(command_of "$1")" doctor | tr -d "\r") || { echo "$text"; return 1; }
  echo "$text"
  grep -q '^✓ native library: ' <<<"$text" && grep -Eq '^✓ cpu device: .*, [0-9.]+ GiB of [1-9][0-9.]* GiB memory free$' <<<"$text" && ! grep -q '^?' <<<"$text"
}
golden_files_agree() { "on_$1" "$(command_of "$1")" verify tests/golden; }

# Everything that --metrics says of a step but the time that it took.
losses_of() { # losses_of MODEL COMMAND...
  local file="$losses/$1.jsonl"
  "${@:2}" train --model "$1" --data fashion-mnist --precision fp16 --steps 20 --batch 32 --device cpu --metrics "$file" >"$losses/$1.log" 2>&1 ||
    { cat "$losses/$1.log"; return 1; }
  grep -v '"summary"' "$file" | sed -E 's/,"step_ms":[^}]*//'
}
# The first run's losses, on this machine, by our own products and convolutions, as on the others.
expected_losses() {
  local model
  for model in mlp cnn; do NATIVEAMP_ONEDNN=0 losses_of $model artifacts/nativeamp >"$losses/$model.expected"; done
}
losses_are_equal() { # losses_are_equal SYSTEM MODEL
  losses_of "$2" "on_$1" "$(command_of "$1")" >"$losses/$2.$1" || return 1
  if ! diff "$losses/$2.expected" "$losses/$2.$1"; then return 1; fi
  tail -1 "$losses/$2.$1"
  [[ $(wc -l <"$losses/$2.$1") == 20 ]]
}

# A test project as a program of its own (tests/Directory.Build.props): `dotnet test` starts none of another system.
managed_tests_on() { # managed_tests_on SYSTEM NAME
  say "$2 ($1)"
  local log="artifacts/test-results/$2-$1.log" good bad idle
  publish "$1" "tests/$2"
  "on_$1" "$(program_of "$1" "$2")" --progress off 2>&1 | tr -d "\r" >"$log" || true
  good=$(count_of succeeded "$log") bad=$(count_of failed "$log") idle=$(count_of skipped "$log")
  if [[ ! $good || ! $bad || ! $idle ]]; then # it did not come to its end
    tail -20 "$log"
    stage_failed "$2 ($1)"
    return
  fi
  sed -n '/^failed /,/^$/p' "$log"
  echo "$good passed, $bad failed, $idle skipped: $log"
  passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + idle))
}
count_of() { sed -n "s/^  $1: \([0-9]*\)\$/\1/p" "$2" | tail -1; } # count_of WORD LOG

run_systems() {
  if (($# == 0)); then set -- win-x64 linux-arm64; fi
  need_dotnet
  want_native
  want_native_tests
  want_cuda_compiler
  want_dataset
  local system
  for system; do
    want_runner_for "$system"
    want_compiler_for "$system"
  done
  install_missing
  wine=$(PATH="$PATH:/usr/lib/wine" command -v wine64 || command -v wine || true)
  mkdir -p artifacts/test-results "$losses"

  build_native OFF
  build_managed src/NativeAmp.Cli
  expected_losses
  native "$@"
  if [[ " $* " == *" win-x64 "* ]]; then
    make_wine_exceptions
    if [[ ! -e artifacts/wine ]]; then on_win-x64 winecfg /v win10; fi # the oldest that .NET supports
  fi
  for system; do
    say "The command for $system"
    publish "$system" src/NativeAmp.Cli
    check "doctor ($system)" doctor_runs "$system"
    check "libtorch's golden files ($system)" golden_files_agree "$system"
    check "20 steps of the mlp in fp16 have this machine's losses ($system)" losses_are_equal "$system" mlp
    check "20 steps of the cnn in fp16 have this machine's losses ($system)" losses_are_equal "$system" cnn
    if [[ $system == win-x64 ]]; then managed_tests_on "$system" NativeAmp.Tests; fi # qemu would take hours
    cmake --build --preset "$system" >artifacts/cmake.log || { cat artifacts/cmake.log; return 1; }
    native_tests "$system"
  done
  tell_results
}

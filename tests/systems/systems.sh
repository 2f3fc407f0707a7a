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

# Runs a program of another system.
on_win-x64() { # in a Windows of our own
  WINEPREFIX="$PWD/artifacts/wine" WINEDEBUG=-all "$wine" "$@"
}
# qemu maps memory that is written to and run at two addresses slowly.
on_linux-arm64() { DOTNET_EnableWriteXorExecute=0 qemu-aarch64 -L /usr/aarch64-linux-gnu "$@"; }

publish() { # publish SYSTEM: the command, with its .NET and its library
  dotnet publish src/NativeAmp.Cli -c Release -r "$1" --self-contained -v quiet --artifacts-path "$managed_output" -o "$PWD/artifacts/systems/$1"
}
command_of() { # command_of SYSTEM
  local path="artifacts/systems/$1/NativeAmp.Cli"
  if [[ $1 == win-* ]]; then path+=.exe; fi
  echo "$path"
}

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

run_systems() {
  if (($# == 0)); then set -- win-x64 linux-arm64; fi
  need_dotnet
  want_native
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
  if [[ " $* " == *" win-x64 "* && ! -e artifacts/wine ]]; then on_win-x64 winecfg /v win10; fi # the oldest that .NET supports
  for system; do
    say "The command for $system"
    publish "$system"
    check "doctor ($system)" doctor_runs "$system"
    check "libtorch's golden files ($system)" golden_files_agree "$system"
    check "20 steps of the mlp in fp16 have this machine's losses ($system)" losses_are_equal "$system" mlp
    check "20 steps of the cnn in fp16 have this machine's losses ($system)" losses_are_equal "$system" cnn
  done
  tell_results
}

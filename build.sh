#!/usr/bin/env bash
# One door to everything: ./build.sh help. Thin on purpose: CMake and dotnet do the work, this says in which order.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
if [[ ${CI:-} == true ]]; then
  # No build servers that outlive the run.
  export MSBUILDDISABLENODEREUSE=1 UseSharedCompilation=false
fi

help() {
  cat <<'HELP'
Usage: ./build.sh VERB [arguments]

  build                 native library, managed assemblies, and the command artifacts/nativeamp
  train [args]          build, then train the CNN on Fashion-MNIST in FP16 (args go to nativeamp train)
  test [options]        build, then every test and check; --exhaustive takes every float and every failure instead of a sample, --gpu the
                        machine's own GPU instead of the emulated one
  bench [args]          build, then run the benchmarks (args go to BenchmarkDotNet), or: plots FOLDER, overhead, tensors, onednn,
                        onednn networks [BATCHES [TEXT]]
  gpu-report [args]     build, then say what the CUDA kernels are made of, move and execute (--json, --filter TEXT), or: --steps [GPU...], the
                        time of a step of GPT-2 and of ResNet-50's convolutions by a model
  cuda-toolkit [libraries]  unpack NVIDIA's CUDA toolkit beside the system, with its libraries or without, for test and gpu-report; nothing
                        else needs it
  bindings              write the C# bindings anew from native/include/nativeamp.h
  format                format C++ and C#, and apply what the analyzers can fix
  api                   declare what is public in src/*/PublicAPI.Unshipped.txt
  pack [--try]          build the library, then make the NuGet packages in artifacts/packages: for this machine's system, and for others whose
                        library lies in artifacts/native/SYSTEM; --try takes them in as a user would, in every way of docs/packages.md
  native [systems]      the native library of linux-x64, win-x64 or linux-arm64 (all without an argument) in artifacts/native/SYSTEM, without symbols;
                        for another system than this it is cross-compiled
  systems [systems]     cross-compile for win-x64 and linux-arm64, and run there by Wine and qemu the command (20 steps must have this machine's losses),
                        the core's tests and the native tests
  site                  build, then make the documentation's site in artifacts/site, from docs/ and the XML comments; its links are checked
  clean                 remove artifacts/
  help                  this text

Missing packages are installed where that is possible (apt-get, as root) and named where it is not.
The .NET 10 SDK is the one thing that has to be there.
HELP
}

say() { printf '\n==> %s  [%d:%02d]\n' "$*" $((SECONDS / 60)) $((SECONDS % 60)); } # with the time since the script began

# start COMMAND... >LOG: beside what follows, in a process group of its own, which ends with this script; finish "$started": its status.
started= running=
start() {
  set -m
  ("$@") 2>&1 </dev/null &
  set +m
  started=$!
  running+=" $started"
}
finish() {
  local outcome=0
  wait "$1" || outcome=$?
  running=${running/ $1/}
  return "$outcome"
}
trap 'for group in $running; do kill -- "-$group" 2>/dev/null || true; done' EXIT

# ---- What has to be there ----

can_install() { [[ $(id -u) == 0 ]] && has apt-get >/dev/null; }
packages_updated=
update_packages() {
  if [[ ! $packages_updated ]]; then apt-get update -qq; fi
  packages_updated=1
}
# A new machine or container has no lists of packages, and seems to know none.
knows_package() {
  if can_install; then update_packages; fi
  apt-cache show "$1"
}

missing=()
want() { # want PACKAGE COMMAND...: the package is missing unless the command succeeds
  local package=$1
  shift
  "$@" &>/dev/null || missing+=("$package")
}
has() { command -v "$1"; }
has_header() { printf '#if !__has_include(<%s>)\n#error\n#endif\n' "$1" | g++ -E -x c++ -; }

want_native() {
  want cmake has cmake
  want ninja-build has ninja
  want g++ has g++
  want libhwy-dev has_header hwy/highway.h
  if ldconfig -p 2>/dev/null | grep -q 'libcuda\.so\.1'; then want_cuda_compiler; fi
}
# nvcc, or clang: 19 where the system has it, else any from 14 on. A machine without a GPU does without.
want_cuda_compiler() {
  if has nvcc || has clang++-19; then
    return
  elif knows_package clang-19; then
    missing+=(clang-19)
  else
    want clang has clang++
  fi &>/dev/null
}
# What looks at the kernels for tests and report: the toolkit on the machine, or Debian's, unpacked beside the system. A machine that can have neither does
# without, with fewer checks. It never decides by what the library's kernels are made.
cuda_toolkit= toolkit_download=
start_cuda_toolkit() {
  local folder
  for folder in "${CUDA_PATH:-}" "${CUDA_HOME:-}" /usr/local/cuda; do [[ ! -x $folder/bin/nvcc ]] || return 0; done
  if has nvcc >/dev/null; then return 0; fi
  start bash -c 'exec cmake/cuda-toolkit.sh libraries 2>artifacts/cuda-toolkit.log' >artifacts/cuda-toolkit.txt
  toolkit_download=$started
}
want_cuda_toolkit() {
  if [[ ! $toolkit_download ]]; then start_cuda_toolkit; fi
  if [[ ! $toolkit_download ]]; then return 0; fi
  say "NVIDIA's CUDA toolkit"
  if finish "$toolkit_download"; then
    cuda_toolkit=$(<artifacts/cuda-toolkit.txt)
  else
    cat artifacts/cuda-toolkit.log
    echo "Left out: what NVIDIA's tools and libraries say of the kernels and of their callers."
  fi
}
# libtorch, for the tests beside TorchSharp: from NuGet, never beside the programs. A machine that cannot have it does without those tests.
libtorch= libtorch_download=
start_libtorch() {
  start bash -c 'exec cmake/libtorch.sh 2>artifacts/libtorch.log' >artifacts/libtorch.txt
  libtorch_download=$started
}
want_libtorch() {
  say "libtorch"
  if finish "$libtorch_download"; then
    libtorch=$(<artifacts/libtorch.txt)
  else
    cat artifacts/libtorch.log
    echo "Left out: what libtorch says of NativeAmp.TorchSharp."
  fi
}
with_libtorch() { # with_libtorch COMMAND...
  local variable
  for variable in $libtorch; do local -x "$variable"; done
  "$@"
}
# oneDNN is found at run time: the tests try it, over GNU's OpenMP and LLVM's, and compare its header with the library's own declarations.
want_native_tests() {
  want libgtest-dev has_header gtest/gtest.h
  want libdnnl-dev has_header dnnl.h
  want libomp-dev eval 'ldconfig -p | grep -q "libomp\.so\.5"'
}
want_clang() { want clang has clang; }
want_second_compiler() {
  want clang has clang++
  want libclang-rt-dev eval "echo 'int main() {}' | clang++ -fsanitize=address,undefined -x c++ - -o /dev/null"
}
want_clang_format() { want clang-format has clang-format; }
want_unzip() { want unzip has unzip; }
want_chromium() { want chromium eval 'has chromium || has chromium-browser || has google-chrome'; }
want_dataset() { want dataset-fashion-mnist test -e /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz; }

install_missing() {
  ((${#missing[@]})) || return 0
  if can_install; then
    say "Installing ${missing[*]}"
    update_packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
    missing=()
    return
  fi
  echo "Missing: ${missing[*]}" >&2
  echo "On Debian or Ubuntu: sudo apt-get update && sudo apt-get install -y ${missing[*]}" >&2
  exit 1
}

need_dotnet() {
  if ! dotnet --version &>/dev/null; then # global.json decides which SDK will do
    echo "NativeAmp needs the .NET 10 SDK, and 'dotnet --version' finds none:" >&2
    dotnet --version >&2 || true
    echo "Ubuntu: sudo apt-get install -y dotnet-sdk-10.0. Elsewhere: https://dotnet.microsoft.com/download" >&2
    exit 1
  fi
}

# ---- The pieces ----

build_native() { # build_native ON|OFF [options of cmake --build]: with its tests or without
  say "Native library"
  cmake --preset release -DNATIVEAMP_TESTS="$1" -DNATIVEAMP_CUDA_TOOLKIT="$cuda_toolkit" -DNATIVEAMP_EXHAUSTIVE="${NATIVEAMP_EXHAUSTIVE:-0}" >artifacts/cmake.log || { cat artifacts/cmake.log; return 1; }
  cmake --build --preset release "${@:2}"
}

# nvcc's PTX of the oldest and of the newest architecture, where nvcc is there.
has_nvcc_images() { grep -q nativeamp-nvcc-images artifacts/cmake/release/build.ninja; }
build_nvcc_images() { cmake --build --preset release --target nativeamp-nvcc-images; }

build_managed() { # build_managed SOLUTION_OR_PROJECT
  say "Managed assemblies"
  # One compiler process for all projects, which does not outlive the build where none may (UseSharedCompilation).
  local outcome=0
  dotnet build "$1" -c Release -v quiet -p:UseSharedCompilation=true || outcome=$?
  if [[ ${UseSharedCompilation:-} == false ]]; then dotnet build-server shutdown --vbcscompiler >/dev/null || true; fi
  ((outcome == 0)) || return "$outcome"
  # Not the executable beside the assembly: that one finds a .NET in its usual places only, this one the caller's.
  cat >artifacts/nativeamp <<'LAUNCHER'
#!/bin/sh
exec dotnet "$(dirname "$(readlink -f "$0")")/bin/NativeAmp.Cli/release/NativeAmp.Cli.dll" "$@"
LAUNCHER
  chmod +x artifacts/nativeamp
}

native_sources() { find native tests/native tests/campaign tests/systems -type f \( -name '*.h' -o -name '*.c' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' \); }
generate_bindings() { dotnet run --project src/NativeAmp.Bindings -c Release -- "$@"; }

# ---- Tests: all of them run, whichever fails, and their results are added up ----

passed=0 failed=0 skipped=0
failed_stages=()
number() { # number ATTRIBUTE FILE: of the first ATTRIBUTE="n" in an XML report
  grep -oE "\b$1=\"[0-9]+\"" "$2" | head -1 | grep -oE '[0-9]+'
}

check() { # check NAME COMMAND...: counts as one test
  local name=$1
  shift
  say "$name"
  if "$@"; then passed=$((passed + 1)); else stage_failed "$name"; fi
}
stage_failed() { # a stage that leaves no report of single tests
  failed=$((failed + 1))
  failed_stages+=("$1")
  echo "FAILED: $1"
}

# For programs of awk: the value of an attribute of the XML element in the line.
# shellcheck disable=SC2016
awk_attribute='
  function attribute(name) { return match($0, " " name "=\"[^\"]*\"") ? substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4) : "" }
'
native_tests() { # native_tests PRESET
  say "Native tests ($1)"
  local report="$PWD/artifacts/test-results/native-$1.xml" shards="$PWD/artifacts/cmake/$1/gtest" outcome=0 good bad idle
  rm -rf "$shards"
  ctest --preset "$1" -j "$(nproc)" --progress --output-junit "$report" || outcome=$?
  if [[ ! -e $report ]]; then stage_failed "Native tests ($1)"; return; fi
  mkdir -p "$shards" "artifacts/test-results/shards/$1"
  read -r good bad idle < <(find "$shards" -name '*.xml' -print0 | xargs -0 awk "$count_native_tests" "$report")
  find "$shards" -name '*.xml' -exec cp {} "artifacts/test-results/shards/$1/" \;
  if ((outcome && !bad)); then bad=1; fi
  passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + idle))
}
# Passed, failed and skipped of ctest's report, and of GoogleTest's for each shard (cmake/GtestShards.cmake), which counts as the tests in it. A shard that
# failed without a failed test, such as by a crash, is one more.
# shellcheck disable=SC2016
count_native_tests=$awk_attribute'
  NR == FNR && /<testcase / {
    status = attribute("status")
    if (attribute("name") ~ /\.shard\.[0-9]+$/) { if (status == "fail") lost[attribute("name")] = 1; next }
    if (status == "fail") bad++; else if (status == "run") good++; else idle++
  }
  NR != FNR && /<testsuites / {
    shard = FILENAME; sub(/.*\//, "", shard); sub(/\.xml$/, "", shard)
    if (attribute("failures") > 0) delete lost[shard]
    bad += attribute("failures"); good += attribute("tests") - attribute("failures")
  }
  NR != FNR && /<testcase .*result="skipped"/ { idle++; good-- }
  END { for (shard in lost) bad++; print good + 0, bad + 0, idle + 0 }
'

managed_tests() { # managed_tests NAME
  say "$1"
  local report="$PWD/artifacts/test-results/$1.trx" outcome=0
  dotnet test "tests/$1" -c Release --no-build --logger "trx;LogFileName=$report" \
    --blame-hang-timeout 20m --blame-hang-dump-type none --results-directory artifacts/test-results || outcome=$?
  if [[ ! -e $report ]]; then stage_failed "$1"; return; fi
  local good=$(number passed "$report") bad=$(number failed "$report") total=$(number total "$report")
  if ((outcome && !bad)); then bad=1; fi
  passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + total - good - $(number failed "$report")))
}

# The failed tests once more, each with the first lines of its message: of a long log often only the end is kept.
tell_failures() {
  local stage
  awk "$awk_attribute"'
    /<UnitTestResult .*outcome="Failed"/ { name = attribute("testName"); inside = 1 }
    /<testcase .*status="fail"/ { name = attribute("name"); inside = 1 }
    /<testcase .*result=/ { test = attribute("classname") "." attribute("name") }
    /<failure message=/ && FILENAME ~ /\/shards\// { name = test; inside = 1 }
    name != "" { print "\nFAILED: " name " (" FILENAME ")"; name = ""; lines = 0 }
    inside && lines < 20 { gsub(/<[^>]*>/, ""); if (/[^[:space:]]/) { print; lines++ } }
    /<\/UnitTestResult>|<\/testcase>/ { inside = 0 }
  ' $(find artifacts/test-results -name '*.trx' -o -name 'native-*.xml' -o -path '*/shards/*.xml')
  for stage in "${failed_stages[@]}"; do printf '\nFAILED: %s\n' "$stage"; done
}
tell_results() {
  local idle=
  if ((failed)); then tell_failures || true; fi
  if ((skipped)); then idle=", $skipped skipped"; fi
  printf '\n%d passed, %d failed%s\n' "$passed" "$failed" "$idle"
  ((failed == 0))
}

benchmarks() { dotnet run --project benchmarks/NativeAmp.Benchmarks -c Release --no-build -- "$@"; }
# The GPU of a command's tests: the emulated one, where it was built and the machine's own is not asked for.
with_test_gpu() { # with_test_gpu COMMAND...
  local emulated="$PWD/artifacts/gpu-emulator/libnativeamp-emulated"
  if [[ ${NATIVEAMP_TEST_GPU:-} == 1 || ! -e $emulated-cuda.so ]]; then
    "$@"
  else
    NATIVEAMP_CUDA_LIBRARY="$emulated-cuda.so" NATIVEAMP_CUBLAS_LIBRARY="$emulated-cublas.so" "$@"
  fi
}
# Every class and report once, at sizes that tell nothing of speed. The log is long, and of interest only where something failed.
benchmarks_run() {
  local log=artifacts/test-results/benchmarks.log
  # What the emulated GPU's checkers find begins with its name.
  if with_test_gpu benchmarks --smoke >"$log" 2>&1 && ! grep -q '^nampemu:' "$log"; then tail -1 "$log"; else cat "$log"; return 1; fi
}
torch_benchmark_runs() { # at a size that tells nothing of speed
  with_libtorch dotnet run --project benchmarks/NativeAmp.TorchSharp.Benchmarks -c Release --no-build -- 3000 1
}
llama_benchmark_runs() { # so does this one
  dotnet run --project benchmarks/NativeAmp.LLamaSharp.Benchmarks -c Release --no-build -- 64 1 1 1
}
# Some stages run beside the others, which seldom keep every core busy, and are shown after them, so that the log reads as if in turn.
declare -A beside=()
start_stage() { # start_stage NAME COMMAND...
  start counted "${@:2}" >"artifacts/test-results/$1.log"
  beside[$1]=$started
}
counted() { # counted COMMAND...: a stage in a process of its own, whose last line is what it adds to the results
  passed=0 failed=0 skipped=0
  "$@"
  echo "$passed $failed $skipped"
}
finish_stage() { # finish_stage NAME
  local good bad idle log=artifacts/test-results/$1.log
  if finish "${beside[$1]}" && read -r good bad idle < <(tail -1 "$log"); then
    sed '$d' "$log"
    passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + idle))
    mapfile -t -O "${#failed_stages[@]}" failed_stages < <(sed -n 's/^FAILED: //p' "$log")
  else
    cat "$log"
    stage_failed "$1"
  fi
}
# By the second compiler. Its output is of interest only where it failed.
sanitized_tests() {
  local log=artifacts/cmake-sanitize.log
  if nice bash -c 'cmake --preset sanitize && cmake --build --preset sanitize' >"$log" 2>&1; then
    passed=$((passed + 1))
    native_tests sanitize
  else
    cat "$log"
    stage_failed "Clang builds without a warning, with sanitizers"
  fi
}
# The library's sources, with little optimization: one that only this machine's compiler takes is found here. To build and to run there is another verb's.
# The instructions of another processor need the code made, and inlined; Windows' are this machine's, so that there reading the sources is enough, for one kind of vectors.
other_systems_compile() {
  local system built log
  for system in "${cross_systems[@]}"; do
    if [[ $system == "$this_system" ]]; then continue; fi
    if ! compiler_for "$system" >/dev/null; then
      echo "Left out: whether the library compiles for $system, whose compiler is not there."
      continue
    fi
    built=artifacts/cmake/compile-$system log=artifacts/cmake-$system.log
    check "The library compiles for $system" compiles_for "$system" "$built" "$log"
  done
}
compiles_for() { # compiles_for SYSTEM FOLDER LOG
  local code=-O1
  if [[ $1 == win-x64 && $this_system == linux-x64 ]]; then code='-fsyntax-only -DNAMP_ALSO_DISABLED=HWY_AVX2'; fi
  nice bash -c 'cmake --preset "$0" -B "$1" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG="$2" && cmake --build "$1" --target nativeamp-objects' "$1" "$2" "$code" >"$3" 2>&1 || { cat "$3"; return 1; }
}
dotnet_tool() { dotnet tool restore >/dev/null && dotnet "$@"; } # of .config/dotnet-tools.json
csharp_formatter() { dotnet_tool csharpier "$@" src tests benchmarks samples; }
csharp_is_formatted() { csharp_formatter check; } # style and analyzers: the build's
# From the assemblies that were built and their comments. A link that leads nowhere is an error.
site_is_made() { dotnet_tool docfx docs/docfx.json --warningsAsErrors --logLevel warning; }
cpp_is_formatted() { native_sources | xargs clang-format --dry-run -Werror --ferror-limit=1; }

# ---- The verbs ----

build() {
  need_dotnet
  want_native
  install_missing
  build_native OFF
  build_managed NativeAmp.sln
}

train() {
  need_dotnet
  want_native
  want_dataset
  install_missing
  build_native OFF
  build_managed src/NativeAmp.Cli
  # An option is given once: the user's instead of ours.
  local given=" $* " options=()
  [[ $given == *" --model"* ]] || options+=(--model cnn)
  [[ $given == *" --data"* ]] || options+=(--data fashion-mnist)
  [[ $given == *" --precision"* ]] || options+=(--precision fp16)
  [[ $given == *" --epochs"* || $given == *" --steps"* ]] || options+=(--epochs 3)
  artifacts/nativeamp train "${options[@]}" "$@"
}

run_tests() {
  for argument; do
    case $argument in
      --exhaustive) export NATIVEAMP_EXHAUSTIVE=1 ;;
      --gpu) export NATIVEAMP_TEST_GPU=1 ;; # the machine's own instead of the emulated one
      *) echo "test does not know $argument" >&2; exit 2 ;;
    esac
  done
  need_dotnet
  rm -rf artifacts/test-results
  mkdir -p artifacts/test-results
  # These processes live for a second or two. To compile hot code again costs them more than it saves.
  export DOTNET_TieredPGO=0
  # The assemblies need none of what is installed; the build after the library says it again, and brings the library.
  start build_managed NativeAmp.sln >artifacts/managed.log
  local assemblies=$started
  want_native
  want_native_tests
  want_cuda_compiler
  want_clang
  want_second_compiler
  want_cross_compilers
  want_clang_format
  want_dataset
  want_chromium
  want_unzip
  install_missing

  # Downloads come while the library is compiled, which needs none of them.
  start_cuda_toolkit
  start_libtorch
  build_native ON --target nativeamp
  want_cuda_toolkit
  want_libtorch
  build_native ON
  if [[ ${NATIVEAMP_EXHAUSTIVE:-} ]] && has_nvcc_images; then build_nvcc_images; fi
  start_stage "Sanitized tests" sanitized_tests
  start_stage "Other systems" other_systems_compile
  finish "$assemblies" || true
  build_managed NativeAmp.sln
  start_stage NativeAmp.Training.Tests managed_tests NativeAmp.Training.Tests
  native_tests release
  managed_tests NativeAmp.Tests
  with_libtorch managed_tests NativeAmp.TorchSharp.Tests
  managed_tests NativeAmp.Interop.Tests
  managed_tests NativeAmp.Extensions.Tests
  managed_tests NativeAmp.Export.Tests
  check "Benchmarks run" benchmarks_run
  if [[ $libtorch ]]; then check "The benchmark beside TorchSharp runs" torch_benchmark_runs; fi
  check "The benchmark beside llama.cpp runs" llama_benchmark_runs
  check "Bindings are those of nativeamp.h" generate_bindings --check
  check "C# is formatted" csharp_is_formatted
  check "C++ is formatted" cpp_is_formatted
  check "The documentation's site is made, and its links lead somewhere" site_is_made
  finish_stage NativeAmp.Training.Tests
  finish_stage "Other systems"
  check "Packages, as a user takes them in" packages_work
  finish_stage "Sanitized tests"
  tell_results
}

bench() {
  build
  if (($# == 0)); then set -- --filter '*'; fi
  benchmarks --artifacts artifacts/benchmarks "$@"
}

# Counts on the emulated GPU, which runs clang's PTX, and lets NVIDIA's tools look at that and at nvcc's, where they are there.
gpu_report() {
  if [[ ${1:-} == --steps ]]; then
    shift
    gpu_steps "$@"
    return
  fi
  want_native
  want_native_tests
  want_cuda_compiler
  install_missing
  local built=artifacts/cmake/release images=() folder
  {
    want_cuda_toolkit
    say "Kernels, the report and its emulated GPU"
    cmake --preset release -DNATIVEAMP_TESTS=ON -DNATIVEAMP_CUDA_TOOLKIT="$cuda_toolkit" >artifacts/cmake.log || { cat artifacts/cmake.log; return 1; }
    cmake --build --preset release --target nativeamp-gpu-report
    images=(--images clang "$built/cuda")
    if has_nvcc_images; then
      build_nvcc_images
      for folder in $(printf '%s\n' $built/tests/nvidia/nvcc-* | sort -V); do images+=(--images nvcc "$folder"); done
    fi
  } >&2
  "$built/tests/gpu-report/nativeamp-gpu-report" "${images[@]}" --tools "$cuda_toolkit/bin" "$@"
}

# Whole steps: the emulated GPU records each with a GPU's capability and multiprocessors, running a few blocks of each launch, and a model has the times.
gpu_steps() {
  local emulated="$PWD/artifacts/gpu-emulator/libnativeamp-emulated" folder=artifacts/gpu-steps tool=artifacts/cmake/release/tests/gpu-report/nativeamp-gpu-report
  local recorded=() gpu capability multiprocessors work label cublas
  if (($# == 0)); then set -- A100 H100 L4; fi
  {
    build
    want_native_tests
    want_cuda_compiler
    install_missing
    say "Kernels, the report and its emulated GPU"
    cmake --preset release -DNATIVEAMP_TESTS=ON >artifacts/cmake.log || { cat artifacts/cmake.log; return 1; }
    cmake --build --preset release --target nativeamp-gpu-report nativeamp-emulated-cublas
    mkdir -p "$folder"
    while IFS='|' read -r label cublas work; do
      for gpu in "$@"; do
        read -r gpu capability multiprocessors < <("$tool" --gpus | grep "^$gpu")
        say "$label, $gpu"
        # shellcheck disable=SC2086 # the words of $work are arguments
        NATIVEAMP_CUDA_LIBRARY="$emulated-cuda.so" NATIVEAMP_CUBLAS_LIBRARY="$cublas" NAMPEMU_COMPUTE=$capability NAMPEMU_MEMORY=$((80 << 30)) \
          NAMPEMU_MULTIPROCESSORS=$multiprocessors NAMPEMU_RECORD="$folder/$label, $gpu.jsonl" NAMPEMU_SAMPLE=16 benchmarks recorded $work
        recorded+=(--recorded "$label" "$gpu" "$folder/$label, $gpu.jsonl")
      done
    done <<WORK
GPT-2, bfloat16, cuBLAS|$emulated-cublas.so|gpt 50257
GPT-2, bfloat16, our own products|none|gpt 50257
ResNet-50's convolutions, float16|none|convolutions
WORK
  } >&2
  "$tool" "${recorded[@]}"
}

bindings() {
  need_dotnet
  want_clang
  install_missing
  generate_bindings
}

format() {
  need_dotnet
  want_clang_format
  install_missing
  native_sources | xargs clang-format -i
  dotnet format style
  dotnet format analyzers
  csharp_formatter format
}

api() {
  need_dotnet
  # A project at a time: over the whole solution only the last one's file is written.
  local project
  for project in src/*/PublicAPI.Unshipped.txt; do
    dotnet format analyzers "$(dirname "$project")" --diagnostics RS0016 --severity info
  done
}

pack() {
  local try=
  if [[ ${1:-} == --try ]]; then try=all; shift; fi
  need_dotnet
  want_native
  if [[ $try ]]; then want_unzip; fi
  install_missing
  build_native OFF
  make_packages "$@"
  if [[ $try ]]; then tests/packages/try.sh all; fi
}

# Those that there is a native package for: src/NativeAmp.Native.
packaged_systems=(linux-x64 linux-arm64 win-x64)
make_packages() { # make_packages [arguments of dotnet pack]: of the native library that is there
  local systems=() each
  say "Packages"
  keep_stripped strip artifacts/native "artifacts/native/$this_system"
  for each in "${packaged_systems[@]}"; do
    if compgen -G "artifacts/native/$each/libnativeamp.*" >/dev/null; then
      systems+=("$each")
    else
      echo "Left out: NativeAmp.Native.$each, whose library is not in artifacts/native/$each."
    fi
  done
  rm -rf artifacts/packages
  # Quoted for MSBuild, to which a semicolon would end the property.
  dotnet pack src/Packages.slnx -c Release -v quiet -o artifacts/packages "-p:NativePackages=\"$(IFS=';' && echo "${systems[*]}")\"" "$@"
}

packages_work() { make_packages && tests/packages/try.sh; }

# What a system's library is built with, and runs by: "native" also builds for this very machine.
this_system=linux-x64
if [[ $(uname -m) == aarch64 ]]; then this_system=linux-arm64; fi
cross_systems=(win-x64 linux-arm64)
compiler_for() { # compiler_for SYSTEM: whether it is there
  case $1 in
    win-x64) has x86_64-w64-mingw32-g++-posix ;;
    linux-arm64) has aarch64-linux-gnu-g++ ;;
  esac
}
want_compiler_for() {
  case $1 in
    "$this_system") ;;
    win-x64) want g++-mingw-w64-x86-64-posix compiler_for "$1" ;;
    linux-arm64) want g++-aarch64-linux-gnu compiler_for "$1" ;;
    *) echo "There is no build for $1 on $this_system; there is for $this_system, win-x64 and linux-arm64." >&2; exit 2 ;;
  esac
}
# Of the other systems. A machine that cannot install them does without.
want_cross_compilers() {
  local system
  if ! can_install; then return 0; fi
  for system in "${cross_systems[@]}"; do want_compiler_for "$system"; done
}
native() {
  if (($# == 0)); then set -- "${packaged_systems[@]}"; fi
  want_native
  want_cuda_compiler
  local system preset built
  for system; do want_compiler_for "$system"; done
  install_missing
  for system; do
    say "Native library for $system"
    preset=$system built=artifacts/cmake/$system
    if [[ $system == "$this_system" ]]; then preset=release built=artifacts/native; fi
    cmake --preset "$preset" >artifacts/cmake.log || { cat artifacts/cmake.log; return 1; }
    cmake --build --preset "$preset" --target nativeamp
    keep_stripped "$(sed -n 's/^CMAKE_STRIP:FILEPATH=//p' "artifacts/cmake/$preset/CMakeCache.txt")" "$built" "artifacts/native/$system"
  done
}
keep_stripped() { # keep_stripped STRIP FROM TO
  local file=libnativeamp.so
  if [[ ! -e $2/$file ]]; then file=libnativeamp.dll; fi
  mkdir -p "$3"
  "$1" --strip-unneeded -o "$3/$file" "$2/$file"
  ls -l "$3/$file"
}

# A verb of its own: it takes minutes for each system.
test_systems() {
  . tests/systems/systems.sh # with the functions of this script
  run_systems "$@"
}

verb=${1:-help}
shift || true
mkdir -p artifacts
case $verb in
  build) build ;;
  train) train "$@" ;;
  test) run_tests "$@" ;;
  bench) bench "$@" ;;
  gpu-report) gpu_report "$@" ;;
  cuda-toolkit) cmake/cuda-toolkit.sh "$@" ;;
  bindings) bindings ;;
  format) format ;;
  api) api ;;
  pack) pack "$@" ;;
  native) native "$@" ;;
  systems) test_systems "$@" ;;
  site) build && site_is_made ;;
  clean) rm -rf artifacts ;;
  help) help ;;
  *) echo "No such verb: $verb" >&2; help >&2; exit 2 ;;
esac

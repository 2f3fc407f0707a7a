#!/usr/bin/env pwsh
# The verbs of build.sh for Windows (PowerShell 7). Thin on purpose: CMake and dotnet do the work.
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $true
Set-Location $PSScriptRoot

$env:DOTNET_CLI_TELEMETRY_OPTOUT = '1'
$env:DOTNET_NOLOGO = '1'

$verb = if ($args.Count) { $args[0] } else { 'help' }
$rest = @($args | Select-Object -Skip 1)

$help = @'
Usage: ./build.ps1 VERB [arguments]

  build                 native library and managed assemblies
  train [args]          build, then train the CNN on Fashion-MNIST in FP16 (args go to nativeamp train)
  test [options]        build, then every test; --exhaustive takes every float instead of a sample, --gpu this machine's GPU
  bench [args]          build, then run the benchmarks (args go to BenchmarkDotNet), or: plots FOLDER
  gpu-report [args]     say what the CUDA kernels are made of, move and execute (Linux only: the emulated GPU is)
  cuda-toolkit          say how to get NVIDIA's CUDA toolkit, which the tests on Linux let look at the kernels
  bindings              write the C# bindings anew from native/include/nativeamp.h
  format                format C++ and C#, and apply what the analyzers can fix
  api                   declare what is public in src/*/PublicAPI.Unshipped.txt
  pack                  build the library, then make the NuGet packages of this machine's system in artifacts/packages
  native [systems]      the native library of win-x64 in artifacts/native/win-x64, without symbols (other systems: on Linux)
  systems [systems]     other systems by Wine and qemu (Linux only)
  site                  build, then make the documentation's site in artifacts/site
  clean                 remove artifacts/
  help                  this text

Nothing is installed: what is missing is named, with the command that brings it.
The compiler is MinGW-w64's g++, and the libraries are MSYS2's (https://www.msys2.org):
  pacman -S --needed mingw-w64-ucrt-x86_64-gcc mingw-w64-ucrt-x86_64-cmake mingw-w64-ucrt-x86_64-ninja
  pacman -S --needed mingw-w64-ucrt-x86_64-highway mingw-w64-ucrt-x86_64-gtest mingw-w64-ucrt-x86_64-clang
and C:\msys64\ucrt64\bin on PATH. docs/systems.md says what has been run.
'@

function Assert-Tool([string] $Command, [string] $Hint) {
    if (-not (Get-Command $Command -ErrorAction SilentlyContinue)) {
        Write-Error "$Command is missing. $Hint"
    }
}

function Invoke-NativeBuild([string] $Tests) {
    foreach ($tool in 'g++', 'cmake', 'ninja') {
        Assert-Tool $tool "Install MSYS2's (./build.ps1 help has the command), and put C:\msys64\ucrt64\bin on PATH."
    }
    cmake --preset windows "-DNATIVEAMP_TESTS=$Tests"
    cmake --build --preset windows
}

function Invoke-Build([string] $Tests = 'OFF') {
    Assert-Tool dotnet 'winget install Microsoft.DotNet.SDK.10'
    Invoke-NativeBuild $Tests
    dotnet build NativeAmp.sln -c Release
}

function Invoke-NativeAmp {
    dotnet artifacts/bin/NativeAmp.Cli/release/NativeAmp.Cli.dll @args
}

function Invoke-Native([string[]] $Systems) {
    if ($Systems | Where-Object { $_ -ne 'win-x64' }) {
        Write-Error 'Windows builds for win-x64 alone: ./build.sh native on Linux, or in WSL, builds for all.'
    }
    Invoke-NativeBuild OFF
    New-Item -ItemType Directory -Force artifacts/native/win-x64 | Out-Null
    strip --strip-unneeded -o artifacts/native/win-x64/libnativeamp.dll artifacts/native/libnativeamp.dll
}

function Invoke-Bindings {
    Assert-Tool clang 'winget install LLVM.LLVM'
    dotnet run --project src/NativeAmp.Bindings -c Release '--' @args
}

switch ($verb) {
    'build' { Invoke-Build }
    'train' {
        Invoke-Build
        # An option is given once: the user's instead of ours.
        $given = " $rest "
        $options = @()
        if ($given -notlike '* --model*') { $options += '--model', 'cnn' }
        if ($given -notlike '* --data*') { $options += '--data', 'fashion-mnist' }
        if ($given -notlike '* --precision*') { $options += '--precision', 'fp16' }
        if ($given -notlike '* --epochs*' -and $given -notlike '* --steps*') { $options += '--epochs', '3' }
        Invoke-NativeAmp train @options @rest
    }
    'test' {
        if ($rest -contains '--gpu') { $env:NATIVEAMP_TEST_GPU = '1' }
        if ($rest -contains '--exhaustive') { $env:NATIVEAMP_EXHAUSTIVE = '1' }
        Invoke-Build ON
        ctest --preset windows
        dotnet test NativeAmp.sln -c Release --no-build
        Invoke-Bindings --check
        dotnet format whitespace --verify-no-changes --no-restore
    }
    'bench' {
        Invoke-Build
        $filter = if ($rest.Count) { $rest } else { @('--filter', '*') }
        dotnet run --project benchmarks/NativeAmp.Benchmarks -c Release --no-build '--' --artifacts artifacts/benchmarks @filter
    }
    'cuda-toolkit' { Write-Error 'Only Debian carries it as packages: winget install Nvidia.CUDA brings it here, and what it looks at runs on Linux alone.' }
    'gpu-report' { Write-Error 'The report counts on the emulated GPU, which is built on Linux alone: ./build.sh gpu-report there, or in WSL.' }
    'bindings' { Invoke-Bindings }
    'format' {
        Assert-Tool clang-format 'winget install LLVM.LLVM'
        Get-ChildItem native, tests/native -Recurse -Include *.h, *.c, *.cpp, *.cu, *.cuh | ForEach-Object { clang-format -i $_.FullName }
        dotnet format
    }
    'api' {
        foreach ($file in Get-ChildItem src/*/PublicAPI.Unshipped.txt) {
            dotnet format analyzers $file.DirectoryName --diagnostics RS0016 --severity info
        }
    }
    'pack' {
        Assert-Tool dotnet 'winget install Microsoft.DotNet.SDK.10'
        Invoke-Native @()
        dotnet pack src/Packages.slnx -c Release -o artifacts/packages -p:NativePackages=win-x64
    }
    'native' { Invoke-Native $rest }
    'systems' { Write-Error 'Wine and qemu run on Linux: ./build.sh systems there, or in WSL.' }
    'site' {
        Invoke-Build
        dotnet tool restore
        dotnet docfx docs/docfx.json --warningsAsErrors --logLevel warning
    }
    'clean' { if (Test-Path artifacts) { Remove-Item artifacts -Recurse -Force } }
    'help' { $help }
    default {
        [Console]::Error.WriteLine("No such verb: $verb`n$help")
        exit 2
    }
}

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
  clean                 remove artifacts/
  help                  this text

Nothing is installed: what is missing is named, with the command that brings it.
Libraries come from vcpkg; VCPKG_ROOT names its folder.
'@

function Assert-Tool([string] $Command, [string] $Hint) {
    if (-not (Get-Command $Command -ErrorAction SilentlyContinue)) {
        Write-Error "$Command is missing. $Hint"
    }
}

function Invoke-NativeBuild([string] $Tests) {
    Assert-Tool cmake 'winget install Kitware.CMake'
    Assert-Tool ninja 'winget install Ninja-build.Ninja'
    # Its headers, libraries and linker; the compiler is clang-cl.
    Assert-Tool link 'Run this in a Developer PowerShell (winget install Microsoft.VisualStudio.2022.BuildTools)'
    Assert-Tool clang-cl 'winget install LLVM.LLVM'
    if (-not $env:VCPKG_ROOT) {
        Write-Error 'VCPKG_ROOT is not set: git clone https://github.com/microsoft/vcpkg, then vcpkg install highway gtest'
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

function Invoke-Bindings {
    Assert-Tool clang 'winget install LLVM.LLVM'
    dotnet run --project src/NativeAmp.Bindings -c Release '--' @args
}

switch ($verb) {
    'build' { Invoke-Build }
    'train' {
        Invoke-Build
        Invoke-NativeAmp train --model cnn --data fashion-mnist --precision fp16 --epochs 3 @rest
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
        foreach ($project in 'src/NativeAmp', 'src/NativeAmp.Training') {
            dotnet format analyzers $project --diagnostics RS0016 --severity info
        }
    }
    'pack' {
        Assert-Tool dotnet 'winget install Microsoft.DotNet.SDK.10'
        Invoke-NativeBuild OFF
        New-Item artifacts/native/win-x64 -ItemType Directory -Force | Out-Null
        Copy-Item artifacts/native/*.dll artifacts/native/win-x64
        dotnet pack src/Packages.slnx -c Release -o artifacts/packages -p:NativePackages=win-x64
    }
    'clean' { if (Test-Path artifacts) { Remove-Item artifacts -Recurse -Force } }
    'help' { $help }
    default {
        [Console]::Error.WriteLine("No such verb: $verb`n$help")
        exit 2
    }
}

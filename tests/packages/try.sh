#!/usr/bin/env bash
# Takes the packages of artifacts/packages in as a user would: in folders outside the repository, from a folder feed.
#   tests/packages/try.sh         the packages' contents; dotnet add package, the README's program, the template (CI)
#   tests/packages/try.sh all     and every way to run and publish (docs/packages.md); downloads .NET's own packages once
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
feed=$root/artifacts/packages
version=$(basename "$feed"/NativeAmp.Planning.*.nupkg .nupkg)
version=${version#NativeAmp.Planning.}
system=linux-$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The user's own packages stay as they are: a second 0.1.0 would not be seen beside a first.
export NUGET_PACKAGES=$root/artifacts/try/nuget
rm -rf "$NUGET_PACKAGES"/nativeamp*
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 MSBUILDDISABLENODEREUSE=1 UseSharedCompilation=false
unset NATIVEAMP_LIBRARY
cat >"$work/nuget.config" <<CONFIG
<configuration>
  <packageSources>
    <add key="NativeAmp" value="$feed" />
  </packageSources>
</configuration>
CONFIG
cd "$work"

failed=0
# attempt NAME COMMAND...: with the time it took; the output is of interest only where it failed.
attempt() {
  local name=$1 begin=$EPOCHREALTIME
  shift
  if ("$@") >"$work/log" 2>&1; then
    printf '%6.1f s  %s\n' "$(awk "BEGIN { print $EPOCHREALTIME - $begin }")" "$name"
  else
    cat "$work/log"
    echo "FAILED: $name"
    failed=$((failed + 1))
  fi
}
die() {
  echo "$*"
  exit 1
}
# Explicitly: bash ignores -e in a function whose outcome is asked for.
does() { "$@" || die "failed: $*"; }
has() { grep -qE "$2" <<<"$1" || die "'$2' is not in: $1"; }
trains() { # trains COMMAND...: its last loss is below its first
  local output losses
  output=$("$@" 2>&1) || die "$output"
  losses=$(grep -oP 'loss \K[0-9.]+' <<<"$output") || die "no loss in: $output"
  awk 'NR == 1 { first = $1 } { last = $1 } END { exit !(last < 0.7 * first) }' <<<"$losses" || die "it does not learn: $output"
  echo "$output"
}

# ---- What is in them ----

contents() { # contents FILE
  local file=$1 id entries readme nuspec
  id=$(basename "$file" ".$version.nupkg")
  entries=$(does unzip -Z1 "$file") nuspec=$(unzip -p "$file" '*.nuspec') readme=$(unzip -p "$file" README.md)
  for entry in README.md LICENSE THIRD-PARTY-NOTICES.txt icon.png; do has "$entries" "^$entry\$"; done
  has "$nuspec" "<version>$version</version>"
  has "$nuspec" '<license type="expression">MIT</license>'
  has "$(head -5 <<<"$readme")" '^dotnet (add package|tool install|new install) '
  ! grep -nE '\]\((\.|/|docs|src|[a-z-]+\.md)' <<<"$readme" || die "a link that is dead on the package's page"
  # Only this very version fits: the packages use each other's inside.
  ! grep -E 'dependency id="NativeAmp' <<<"$nuspec" | grep -vF "version=\"[$version]\"" || die "a dependency on other versions"
  case $id in
    NativeAmp.Native.*) native_library "$file" "${id#NativeAmp.Native.}" "$entries" ;;
    NativeAmp.Tool.*) native_library "$file" "${id#NativeAmp.Tool.}" "$entries" ;;
    NativeAmp.Tool | NativeAmp.Templates) ;;
    *)
      has "$entries" "^lib/net10.0/$id.dll\$"
      has "$entries" "^lib/net10.0/$id.xml\$"
      ;;
  esac
}
native_library() { # native_library PACKAGE SYSTEM ENTRIES: one, of that system, stripped
  local found
  found=$(grep -E '(^|/)libnativeamp\.' <<<"$3") || die "there is no library in $1"
  case $2:$found in
    win-*:*.dll | linux-*:*.so) ;;
    *) die "these are not what $2 needs: $found" ;;
  esac
  unzip -p "$1" "$found" >"$work/library"
  ! grep -q '\.symtab' "$work/library" || die "$found is not stripped"
}

# ---- As a user would ----

from_nothing() {
  does dotnet new console -o app
  does dotnet add app package NativeAmp.Training --version "$version"
  readme_program NativeAmp.Training >app/Program.cs
  trains dotnet run --project app
}
readme_program() { # readme_program PROJECT: the C# of its package's page
  awk '/^```csharp/ { inside = 1; next } /^```/ { inside = 0 } inside' "$root/src/$1/README.md"
}
template() {
  does dotnet new install "$feed/NativeAmp.Templates.$version.nupkg" --debug:custom-hive "$work/hive"
  does dotnet new nativeamp -o Spirals --debug:custom-hive "$work/hive"
  local output
  output=$(trains dotnet run --project Spirals) || die "$output"
  has "$output" 'accuracy on 1000 new points: (9[0-9]|100)\.'
}
tool() {
  does dotnet tool install NativeAmp.Tool --version "$version" --tool-path tools
  has "$(tools/nativeamp --version)" "^$version"
  has "$(tools/nativeamp doctor)" "native library"
}

# ---- Every way to run and publish ----

publish() { # publish NAME SYSTEM PROPERTY...: of the README's program, without a warning
  local name=$1 of=$2
  shift 2
  does dotnet publish app -c Release -r "$of" -o "out/$name" -warnaserror -p:TrimmerSingleWarn=false -p:InvariantGlobalization=true "$@"
}
publish_and_run() {
  publish "$1" "$system" "${@:2}"
  trains "out/$1/app"
}
core_alone() {
  { echo "#:package NativeAmp@$version"; readme_program NativeAmp; } >core.cs
  has "$(does dotnet run core.cs)" "native library $version"
}
published_elsewhere() { # published_elsewhere SYSTEM LIBRARY: that one's library, and no other
  publish "$1" "$1" --self-contained false
  local found
  found=$(cd "out/$1" && find . -name 'libnativeamp*')
  [[ $found == "./$2" ]] || die "found in a publish for $1: ${found:-nothing}"
}
one_file() { # dotnet run app.cs
  { echo "#:package NativeAmp.Training@$version"; readme_program NativeAmp.Training; } >one.cs
  trains dotnet run one.cs
}
ilgpu() { # the program of its sample: the line that it is given; ILGPU compiles at run time
  { printf '#:package %s\n#:property PublishAot=false\n' "NativeAmp.ILGPU@$version" && cat "$root/samples/ILGPU/Program.cs"; } >line.cs
  has "$(does dotnet run line.cs)" '^y = (2\.9|3\.0)[0-9] x \+ -0\.[45]'
}
numerics() { # the lines of its README, which print nothing
  { printf '#:package %s\n' "NativeAmp.Numerics.Tensors@$version" && readme_program NativeAmp.Numerics.Tensors &&
    echo 'Console.WriteLine(back[1, 2]);'; } >numerics.cs
  has "$(does dotnet run numerics.cs)" '^12$'
}
onnx() { # the program of its README: a file that says ONNX's operators
  { printf '#:package %s\n' "NativeAmp.Onnx@$version" && readme_program NativeAmp.Onnx; } >onnx.cs
  does dotnet run onnx.cs && grep -q MatMul mlp.onnx
}
hosted() { # a host with options, a device and a health check
  {
    printf '#:sdk Microsoft.NET.Sdk.Web\n#:package %s\n' "NativeAmp.Extensions@$version"
    cat <<'HOST'
using Microsoft.Extensions.Diagnostics.HealthChecks;
using NativeAmp;
using NativeAmp.Extensions;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddNativeAmp(builder.Configuration.GetSection("NativeAmp"));
builder.Services.AddHealthChecks().AddNativeAmp();
using var app = builder.Build();
Console.WriteLine($"{app.Services.GetRequiredService<Device>().Threads} thread");
Console.WriteLine((await app.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync()).Status);
HOST
  } >hosted.cs
  local output
  output=$(does dotnet run hosted.cs -- --NativeAmp:Device cpu --NativeAmp:Threads 1) || die "$output"
  has "$output" '^1 thread$'
  has "$output" '^Healthy$'
}
distribution() { # a .NET that a distribution built names the distribution
  export DOTNET_RUNTIME_ID=ubuntu.24.04-${system#*-}
  trains dotnet run --project app
}
script() { # F# Interactive, and notebooks
  cat >script.fsx <<SCRIPT
#i "nuget: $feed"
#r "nuget: NativeAmp.Training, $version"
open NativeAmp
let device = Device.Cpu()
printfn "%s on %s" (string NativeAmpRuntime.Status) device.Info.Name
SCRIPT
  has "$(does dotnet fsi script.fsx)" "native library $version"
}
plugin() { # a host that loads an assembly with its own dependencies, as .NET's documentation shows it
  does dotnet new console -o host
  does dotnet new classlib -o plugin
  does dotnet add plugin package NativeAmp.Training --version "$version"
  sed -i 's|</PropertyGroup>|<EnableDynamicLoading>true</EnableDynamicLoading></PropertyGroup>|' plugin/plugin.csproj
  cat >plugin/Class1.cs <<'PLUGIN'
public static class Plugin
{
    public static string Run()
    {
        using var device = NativeAmp.Device.Cpu();
        return NativeAmp.NativeAmpRuntime.Status.ToString();
    }
}
PLUGIN
  cat >host/Program.cs <<'HOST'
using System.Reflection;
using System.Runtime.Loader;

var plugin = new Context(args[0]).LoadFromAssemblyPath(args[0]);
Console.WriteLine(plugin.GetType("Plugin")!.GetMethod("Run")!.Invoke(null, null));

class Context(string path) : AssemblyLoadContext
{
    private readonly AssemblyDependencyResolver resolver = new(path);

    protected override Assembly? Load(AssemblyName name) =>
        resolver.ResolveAssemblyToPath(name) is { } file ? LoadFromAssemblyPath(file) : null;

    protected override nint LoadUnmanagedDll(string name) =>
        resolver.ResolveUnmanagedDllToPath(name) is { } file ? LoadUnmanagedDllFromPath(file) : 0;
}
HOST
  does dotnet build plugin -o plugin/out
  has "$(does dotnet run --project host -- "$work/plugin/out/plugin.dll")" "native library $version"
}

# A Debian with what a .NET image has, unpacked from its packages; without so much as a shell.
bare_root() { # bare_root RELEASE FOLDER
  local release=$1 folder=$2 state=$work/apt-$1 mirror package
  mirror=$(apt-get indextargets --format '$(SITE)' 'Origin: Debian' | head -1)
  mkdir -p "$state/lists/partial" "$state/archives/partial" "$folder"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $release main" >"$state/sources.list"
  of_release() {
    apt-get -qq -o APT::Sandbox::User=root -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=- \
      -o Dir::State::lists="$state/lists" -o Dir::Cache="$state" "$@"
  }
  does of_release update
  (cd "$state" && does of_release download libc6 libgcc-s1 libstdc++6) || exit 1
  for package in "$state"/*.deb; do does dpkg-deb -x "$package" "$folder"; done
  # Newer packages leave these links to base-files.
  for name in lib lib64; do [[ -e $folder/$name ]] || ln -s "usr/$name" "$folder/$name"; done
}
in_bare_root() { # in_bare_root RELEASE: the self-contained publish
  bare_root "$1" "$work/$1"
  mkdir -p "$work/$1/tmp" "$work/$1/proc"
  cp -r out/self-contained "$work/$1/app"
  # .NET reads the machine's memory from /proc; the mount ends with the process.
  trains unshare --mount sh -c "mount --bind /proc '$work/$1/proc' && exec chroot '$work/$1' /app/app"
}

# ---- The order ----

for file in "$feed"/*.nupkg; do attempt "contents of $(basename "$file")" contents "$file"; done
attempt 'dotnet add package NativeAmp.Training, the program of its README' from_nothing
attempt 'dotnet new nativeamp' template
if [[ ${1:-} == all ]]; then
  attempt 'dotnet tool install NativeAmp.Tool' tool
  attempt 'dotnet run one.cs' one_file
  attempt 'NativeAmp alone, the program of its README' core_alone
  attempt 'dotnet fsi' script
  attempt 'a plugin' plugin
  attempt "a distribution's .NET" distribution
  attempt 'NativeAmp.ILGPU, the program of its sample' ilgpu
  attempt 'NativeAmp.Numerics.Tensors, the program of its README' numerics
  attempt 'NativeAmp.Onnx, the program of its README' onnx
  attempt 'NativeAmp.Extensions, a host with its device and its health check' hosted
  attempt 'self-contained' publish_and_run self-contained --self-contained
  attempt 'trimmed' publish_and_run trimmed --self-contained -p:PublishTrimmed=true
  attempt 'one file that extracts its libraries' publish_and_run extracting --self-contained -p:PublishSingleFile=true -p:IncludeNativeLibrariesForSelfExtract=true
  attempt 'NativeAOT' publish_and_run aot -p:PublishAot=true
  for release in bookworm trixie; do
    if [[ $(id -u) == 0 ]] && apt-get --version &>/dev/null; then
      attempt "self-contained, in a bare Debian $release" in_bare_root "$release"
    else
      echo "      --  a bare Debian $release: that takes root and apt-get"
    fi
  done
  for other in linux-arm64:libnativeamp.so win-x64:libnativeamp.dll; do
    if [[ -e $feed/NativeAmp.Native.${other%:*}.$version.nupkg ]]; then
      attempt "published for ${other%:*}" published_elsewhere "${other%:*}" "${other#*:}"
    else
      echo "      --  published for ${other%:*}: there is no package of that library here"
    fi
  done
fi
((failed == 0))

#!/usr/bin/env bash
# Runs a command so that TorchSharp finds libtorch for the CPU, from NuGet's cache, without a copy of its 500 MB beside each program; without a command it
# prints the variables that do it, one a line.
#
#   libtorch.sh [COMMAND...]
#
# TorchSharp 0.107 was built by g++ 13: its library asks for GLIBCXX_3.4.32, which is one function that g++ 12's libstdc++ lacks. Where the machine's is older
# (Debian 12), a library of that function alone takes the name libstdc++.so.6 in front of the machine's own, for this command only. A newer Debian's
# libstdc++ would not do: it needs that Debian's glibc.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${LIBTORCH_OUT:-$here/../artifacts/libtorch}
wanted=GLIBCXX_3.4.32

cannot() {
  echo "libtorch cannot be had here: $1." >&2
  exit 1
}

[[ $(uname -sm) == "Linux x86_64" ]] || cannot "its package is for Linux on x86-64"
dotnet restore "$here/libtorch.csproj" >&2 -v quiet || cannot "NuGet does not restore libtorch-cpu-linux-x64"
folder=$(dotnet msbuild "$here/libtorch.csproj" -getProperty:Pkglibtorch-cpu-linux-x64)

variables=("LD_LIBRARY_PATH=$folder/runtimes/linux-x64/native${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}")
system=$(ldconfig -p | sed -nE '/x86-64/s/.*libstdc\+\+\.so\.6 .* => //p' | head -1)
system=$(readlink -f "$system") || cannot "this machine has no libstdc++.so.6"
if ! objdump -p "$system" | grep -qw "$wanted"; then
  shim=$out/libstdc++.so.6
  if [[ ! $shim -nt $system ]]; then
    mkdir -p "$out"
    # Programs check only that libstdc++.so.6 has the versions that they name. The functions of the older ones they find in the machine's own.
    {
      objdump -p "$system" | awk '/^Version definitions/ { on = 1 } /^$/ { on = 0 } on && NF == 4 && $1 > 1 { print $4 " { };" }'
      echo "$wanted { global: _ZSt21ios_base_library_initv; local: *; };"
    } >"$out/versions"
    g++ -E -x c++ /dev/null >/dev/null 2>&1 || cannot "g++ is missing"
    # By gcc, which unlike g++ does not link the library that this one stands in front of.
    gcc -x c++ -O2 -fPIC -shared -fno-threadsafe-statics - -o "$shim.new" -Wl,-soname,libstdc++.so.6 -Wl,--version-script="$out/versions" <<'CPP'
#include <ios>

// Makes std::cout and the others usable. Older libraries have it done by every file that includes <iostream>.
namespace std {
void ios_base_library_init() {
  static ios_base::Init once;
}
}  // namespace std
CPP
    mv "$shim.new" "$shim"
  fi
  variables+=("LD_PRELOAD=$(readlink -f "$shim"):$system${LD_PRELOAD:+:$LD_PRELOAD}")
fi

if (($#)); then exec env "${variables[@]}" "$@"; fi
printf '%s\n' "${variables[@]}"

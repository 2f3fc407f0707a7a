#!/usr/bin/env bash
# Unpacks NVIDIA's CUDA toolkit, which Debian carries in its non-free component, into a folder of its own. Nothing is installed, and the system's
# package lists stay as they are. Prints the folder; a second run finds it there.
#
#   cuda-toolkit.sh              nvcc, ptxas, cuobjdump, nvdisasm, fatbinary and the headers
#   cuda-toolkit.sh libraries    also NVIDIA's own libcuda with its PTX compiler, NVML, and cuBLAS
#
# CUDA_TOOLKIT_OUT   the folder (default: cuda-toolkit/RELEASE in the user's cache)
set -euo pipefail

# The first release of Debian whose nvcc knows C++20.
release=trixie
out=${CUDA_TOOLKIT_OUT:-${XDG_CACHE_HOME:-$HOME/.cache}/cuda-toolkit/$release}
wanted=(nvidia-cuda-toolkit nvidia-cuda-dev libnvvm4 libnvjitlink12 libcudart12 libcu++-dev libnvidia-ml-dev)
case ${1:-} in
  '') ;;
  libraries) wanted+=(libcuda1 libnvidia-ml1 libnvidia-ptxjitcompiler1 libcublas12 libcublaslt12) ;;
  *) echo "cuda-toolkit.sh takes nothing or the word libraries, not $1" >&2; exit 2 ;;
esac

cannot() {
  echo "The CUDA toolkit cannot be unpacked here: $1." >&2
  echo "Install NVIDIA's CUDA toolkit 12.4 or newer (Debian: nvidia-cuda-toolkit of non-free), and put nvcc on PATH or name its folder in CUDA_PATH." >&2
  exit 1
}

# The mirror that the machine's own packages come from; the older file format, then the newer one.
mirror() {
  { sed -nE 's/^deb +(\[[^]]*\] +)?([^ ]+) .*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list
    sed -nE 's/^URIs: *([^ ]+).*/\1/p' /etc/apt/sources.list.d/*.sources; } 2>/dev/null | grep -E -m1 '/debian/?$'
}

missing=()
for package in "${wanted[@]}"; do [[ -e $out/unpacked/$package ]] || missing+=("$package"); done
if ((${#missing[@]})); then
  [[ $(uname -m) == x86_64 ]] || cannot "Debian has it for x86-64 alone"
  for tool in apt-get dpkg-deb; do command -v $tool >/dev/null || cannot "$tool is missing"; done
  from=$(mirror) || cannot "this machine's package sources name no mirror of Debian"
  state=$out/apt
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$out/debs" "$out/root" "$out/unpacked"
  echo "deb $from $release main contrib non-free non-free-firmware" >"$state/sources.list"
  apt=(-o "Dir::Etc::sourcelist=$state/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$state/lists" -o "Dir::Cache=$state/cache"
    -o APT::Sandbox::User=root -qq)
  apt-get "${apt[@]}" update >&2 || cannot "the mirror $from does not answer"
fi

usr=$out/root/usr
# Debian's nvcc looks in /usr. This one looks here, and takes the machine's own g++ (12.4 knows g++ up to 13).
let_nvcc_look_here() {
  local bin=$usr/lib/nvidia-cuda-toolkit/bin
  rm -f "$bin/gcc" "$bin/g++"
  cat >"$bin/nvcc.profile" <<PROFILE
NVVMIR_LIBRARY_DIR = $usr/lib/nvidia-cuda-toolkit/libdevice
PATH = $usr/bin:$bin:/usr/bin:/bin
INCLUDES = -I$usr/include
LIBRARIES = -L$usr/lib/x86_64-linux-gnu
PROFILE
  cat >"$usr/bin/nvcc" <<NVCC
#!/bin/sh
export PATH="$bin:$usr/bin:\$PATH"
exec "$bin/nvcc" "\$@"
NVCC
  chmod +x "$usr/bin/nvcc"
}

# Static libraries and those of NVIDIA's that nothing here calls would be most of what is on the disk.
unused=('*.a' 'libnpp*' 'libcusolver*' 'libcusparse*' 'libcufft*' 'libcurand*')
for package in "${missing[@]}"; do
  (cd "$out/debs" && apt-get "${apt[@]}" download "$package") >&2 || cannot "the mirror $from does not give $package"
  for archive in "$out"/debs/*.deb; do
    dpkg-deb --fsys-tarfile "$archive" | tar -x -C "$out/root" "${unused[@]/#/--exclude=}"
    rm "$archive"
  done
  touch "$out/unpacked/$package"
done
if ((${#missing[@]})); then let_nvcc_look_here; fi
echo "$usr"

#!/bin/sh
# Makes this study anew: run it in the repository's root after './build.sh test', with the folder to write as its argument.
set -eu
out=${1:?give the folder to write}
source=/usr/share/datasets/fashion-mnist
data=$(mktemp -d)
trap 'rm -r "$data"' EXIT

# The first images and labels of a set, with a header that says how few they are: the emulated GPU is slow.
first() {
    count=$(printf '\\%03o' "$2")
    { printf '\0\0\010\003\0\0\0'"$count"'\0\0\0\034\0\0\0\034'; zcat "$source/$1-images-idx3-ubyte.gz" | head -c $((16 + 784 * $2)) | tail -c +17; } >"$data/$1-images-idx3-ubyte"
    { printf '\0\0\010\001\0\0\0'"$count"; zcat "$source/$1-labels-idx1-ubyte.gz" | head -c $((8 + $2)) | tail -c +9; } >"$data/$1-labels-idx1-ubyte"
}
first train 128
first t10k 40

emulator=$PWD/artifacts/gpu-emulator/libnativeamp-emulated
NATIVEAMP_CUDA_LIBRARY=$emulator-cuda.so NATIVEAMP_CUBLAS_LIBRARY=$emulator-cublas.so NATIVEAMP_NVML_LIBRARY=$emulator-nvml.so \
    NAMPNVML_SCRIPT=$PWD/docs/studies/emulated-gpu/nvml.txt NAMPEMU_QUIET=1 \
    artifacts/nativeamp study --model mlp --data "$data" --device cuda --to-accuracy 0.75 --epochs 6 --warmup 2 --batch 8,16 --repeat 2 --out "$out"

// Numbers of the dynamic maps' codes (formulas/block_code.h) by AVX-512 VBMI, which looks up bytes in
// registers: VPERMI2B takes each of 64 from 128 ("Intel 64 and IA-32 Architectures Software Developer's
// Manual", volume 2). Four lookups, one for each byte of the numbers, take the place of the arithmetic of 64.
#pragma once

#include <cstdint>

#include "nativeamp.h"

namespace namp {

// As has_vnni (cpu/vnni.h) has it: with AVX-512 asked for, the kernels are AVX-512's own.
bool has_number_planes(namp_simd simd);

// Decodes count codes, from where a block begins on, of a dynamic dtype. Only where there are planes.
void decode_by_planes(int32_t dtype, const uint8_t* codes, const float* scales, int64_t count,
                      float* out);

}  // namespace namp

// 128-bit integers, which ISO C++ doesn't have and both compilers do.
#pragma once

namespace nampemu {

__extension__ typedef __int128 Int128;
__extension__ typedef unsigned __int128 UInt128;

}  // namespace nampemu

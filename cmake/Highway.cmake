# nativeamp-highway: Google Highway's headers. Only the headers: the library picks the SIMD target itself, so libhwy is
# neither linked nor needed where NativeAmp runs.

find_path(NATIVEAMP_HIGHWAY_INCLUDE hwy/highway.h)
if(NOT NATIVEAMP_HIGHWAY_INCLUDE)
  message(FATAL_ERROR
    "Highway's headers (hwy/highway.h) are missing.\n"
    "  Debian, Ubuntu: apt-get install libhwy-dev\n"
    "  vcpkg:          vcpkg install highway")
endif()

add_library(nativeamp-highway INTERFACE)
target_include_directories(nativeamp-highway SYSTEM INTERFACE "${NATIVEAMP_HIGHWAY_INCLUDE}")

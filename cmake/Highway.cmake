# nativeamp-highway: Google Highway's headers. Only the headers: the library picks the SIMD target itself, so libhwy is
# neither linked nor needed where NativeAmp runs.

if(CMAKE_CROSSCOMPILING)
  # Those of the machine that builds serve every system. They get a folder of their own: beside them lies that machine's C library.
  find_path(NATIVEAMP_HIGHWAY_HERE hwy/highway.h PATHS /usr/include /usr/local/include NO_CMAKE_FIND_ROOT_PATH)
  if(NATIVEAMP_HIGHWAY_HERE)
    file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/highway")
    file(CREATE_LINK "${NATIVEAMP_HIGHWAY_HERE}/hwy" "${PROJECT_BINARY_DIR}/highway/hwy" SYMBOLIC)
    set(NATIVEAMP_HIGHWAY_INCLUDE "${PROJECT_BINARY_DIR}/highway" CACHE PATH "The folder of hwy/highway.h")
  endif()
endif()
find_path(NATIVEAMP_HIGHWAY_INCLUDE hwy/highway.h)
if(NOT NATIVEAMP_HIGHWAY_INCLUDE)
  message(FATAL_ERROR
    "Highway's headers (hwy/highway.h) are missing.\n"
    "  Debian, Ubuntu: apt-get install libhwy-dev\n"
    "  MSYS2:          pacman -S mingw-w64-ucrt-x86_64-highway\n"
    "  anywhere:       a checkout of github.com/google/highway, named by -DNATIVEAMP_HIGHWAY_INCLUDE")
endif()

add_library(nativeamp-highway INTERFACE)
target_include_directories(nativeamp-highway SYSTEM INTERFACE "${NATIVEAMP_HIGHWAY_INCLUDE}")

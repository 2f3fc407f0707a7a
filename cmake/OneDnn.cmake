# nativeamp-onednn: oneDNN where it is found (API v2 or v3), else nothing. Sources ask #if NATIVEAMP_ONEDNN.
#
# Found by its header and library, not by its package configuration: Debian's asks for OpenCL's development files, which
# nothing here uses.

add_library(nativeamp-onednn INTERFACE)

if(NOT NATIVEAMP_ONEDNN STREQUAL "off")
  find_path(NATIVEAMP_ONEDNN_INCLUDE dnnl.hpp)
  find_library(NATIVEAMP_ONEDNN_LIBRARY dnnl)
endif()

if(NATIVEAMP_ONEDNN STREQUAL "off")
  message(STATUS "oneDNN: off; GEMM and convolution are plain loops")
  target_compile_definitions(nativeamp-onednn INTERFACE NATIVEAMP_ONEDNN=0)
elseif(NATIVEAMP_ONEDNN_INCLUDE AND NATIVEAMP_ONEDNN_LIBRARY)
  message(STATUS "oneDNN: ${NATIVEAMP_ONEDNN_LIBRARY}")
  target_compile_definitions(nativeamp-onednn INTERFACE NATIVEAMP_ONEDNN=1)
  target_include_directories(nativeamp-onednn SYSTEM INTERFACE "${NATIVEAMP_ONEDNN_INCLUDE}")
  target_link_libraries(nativeamp-onednn INTERFACE "${NATIVEAMP_ONEDNN_LIBRARY}")
elseif(NATIVEAMP_ONEDNN STREQUAL "on")
  message(FATAL_ERROR
    "oneDNN is missing, and NATIVEAMP_ONEDNN is on.\n"
    "  Debian, Ubuntu: apt-get install libdnnl-dev\n"
    "  vcpkg:          vcpkg install onednn")
else()
  message(STATUS "oneDNN: not found; GEMM and convolution are plain loops (apt-get install libdnnl-dev)")
  target_compile_definitions(nativeamp-onednn INTERFACE NATIVEAMP_ONEDNN=0)
endif()

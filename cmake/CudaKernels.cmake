# nativeamp-cuda: the CUDA backend, or nothing; sources ask #if NATIVEAMP_CUDA. nativeamp-kernels: its kernels.
#
#   nvcc   a fatbin: machine code for every architecture that the compiler knows, and PTX of the oldest and the newest for the others. With clang there,
#          clang's PTX is embedded as well, for drivers that refuse the fatbin
#   clang  PTX for sm_75, which every driver since CUDA 11.5 translates for its device; needs no NVIDIA package
#   off    no CUDA backend
#   auto   the first of these that is there
#
# Either is embedded in the library as it is, one image a .cu file. No CUDA header or library is used: the driver is found at run time
# (native/cuda/driver.h).

set(NATIVEAMP_CUDA "auto" CACHE STRING "Compiler of the CUDA kernels: auto, nvcc, clang or off")
set_property(CACHE NATIVEAMP_CUDA PROPERTY STRINGS auto nvcc clang off)
set(NATIVEAMP_KERNEL_IMAGES "" CACHE PATH "Images of the same sources that another build made (the folder cuda of its build folder); empty: they are made here")

add_library(nativeamp-cuda INTERFACE)

set(cuda_compiler "${NATIVEAMP_CUDA}")
if(cuda_compiler MATCHES "^(auto|nvcc)$")
  find_program(NATIVEAMP_NVCC nvcc HINTS "$ENV{CUDA_PATH}/bin" "$ENV{CUDA_HOME}/bin" /usr/local/cuda/bin)
endif()
if(NOT cuda_compiler STREQUAL "off")
  find_program(NATIVEAMP_CUDA_CLANG
    NAMES clang++-19 clang++-22 clang++-21 clang++-20 clang++-18 clang++-17 clang++-16 clang++-15 clang++ clang++-14)
endif()

if(cuda_compiler STREQUAL "auto")
  if(NATIVEAMP_NVCC)
    set(cuda_compiler nvcc)
  elseif(NATIVEAMP_CUDA_CLANG)
    set(cuda_compiler clang)
  else()
    message(STATUS "CUDA: off, for neither nvcc nor clang 14 or newer was found (apt-get install clang-19)")
    set(cuda_compiler off)
  endif()
endif()
if(cuda_compiler STREQUAL "nvcc" AND NOT NATIVEAMP_NVCC)
  message(FATAL_ERROR "NATIVEAMP_CUDA is nvcc, and nvcc is not found. Install the CUDA toolkit, or use clang.")
elseif(cuda_compiler STREQUAL "clang" AND NOT NATIVEAMP_CUDA_CLANG)
  message(FATAL_ERROR "NATIVEAMP_CUDA is clang, and clang++ is not found (apt-get install clang-19).")
endif()

if(cuda_compiler STREQUAL "off")
  target_compile_definitions(nativeamp-cuda INTERFACE NATIVEAMP_CUDA=0)
  add_library(nativeamp-kernels INTERFACE)
  return()
endif()

include(CudaCompilers)

set(cuda_outputs "${PROJECT_BINARY_DIR}/cuda")
if(NATIVEAMP_KERNEL_IMAGES)
  set(cuda_outputs "${NATIVEAMP_KERNEL_IMAGES}")
endif()
file(GLOB cuda_kernels CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/native/cuda/*.cu")
set(NATIVEAMP_KERNELS "") # the names of the .cu files
foreach(kernel IN LISTS cuda_kernels)
  get_filename_component(name "${kernel}" NAME_WE)
  list(APPEND NATIVEAMP_KERNELS ${name})
endforeach()

# Clang's PTX, which is what the emulated GPU runs. NATIVEAMP_PTX: where it is; unset without clang.
if(NATIVEAMP_CUDA_CLANG)
  set(NATIVEAMP_PTX "${cuda_outputs}")
  nativeamp_clang_version(cuda_clang_version)
  if(NOT NATIVEAMP_KERNEL_IMAGES)
    nativeamp_clang_ptx("${NATIVEAMP_PTX}")
  endif()
endif()
if(cuda_compiler STREQUAL "nvcc")
  nativeamp_nvcc_facts("${NATIVEAMP_NVCC}" cuda_nvcc)
  if(NOT NATIVEAMP_KERNEL_IMAGES)
    nativeamp_nvcc_fatbins("${NATIVEAMP_NVCC}" "${cuda_outputs}")
  endif()
  nativeamp_embed(nativeamp-kernels FIRST "${cuda_outputs}" fatbin NET "${NATIVEAMP_PTX}"
    COMPILER "nvcc ${cuda_nvcc_version}" HOLDS "${cuda_nvcc_holds}" DRIVER ${cuda_nvcc_driver})
  message(STATUS "CUDA: ${NATIVEAMP_NVCC}, ${cuda_nvcc_holds}")
else()
  nativeamp_embed(nativeamp-kernels FIRST "${NATIVEAMP_PTX}" ptx
    COMPILER "${cuda_clang_version}" HOLDS "PTX for 7.5" DRIVER 11050)
  message(STATUS "CUDA: ${NATIVEAMP_CUDA_CLANG}, PTX for sm_75")
endif()

file(GLOB cuda_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/native/cuda/*.cpp")
target_sources(nativeamp-cuda INTERFACE ${cuda_sources})
target_compile_definitions(nativeamp-cuda INTERFACE NATIVEAMP_CUDA=1)

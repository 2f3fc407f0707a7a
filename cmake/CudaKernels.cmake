# nativeamp-cuda: the CUDA backend with its kernels in it, or nothing. Sources ask #if NATIVEAMP_CUDA.
#
#   nvcc   a fatbin: machine code for every architecture that the compiler knows, and PTX for those to come
#   clang  PTX for sm_75, which every driver since CUDA 11.5 translates for its device; needs no NVIDIA package
#   off    no CUDA backend
#   auto   the first of these that is there
#
# Either is embedded in the library as an array of bytes, one a .cu file. No CUDA header or library is used: the
# driver is found at run time (native/cuda/driver.h).

set(NATIVEAMP_CUDA "auto" CACHE STRING "Compiler of the CUDA kernels: auto, nvcc, clang or off")
set_property(CACHE NATIVEAMP_CUDA PROPERTY STRINGS auto nvcc clang off)

add_library(nativeamp-cuda INTERFACE)

set(cuda_compiler "${NATIVEAMP_CUDA}")
if(cuda_compiler MATCHES "^(auto|nvcc)$")
  find_program(NATIVEAMP_NVCC nvcc HINTS "$ENV{CUDA_PATH}/bin" "$ENV{CUDA_HOME}/bin" /usr/local/cuda/bin)
endif()
if(cuda_compiler MATCHES "^(auto|clang)$")
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

if(cuda_compiler STREQUAL "off")
  target_compile_definitions(nativeamp-cuda INTERFACE NATIVEAMP_CUDA=0)
  return()
endif()

set(cuda_includes "-I${PROJECT_SOURCE_DIR}/native" "-I${PROJECT_SOURCE_DIR}/native/include")
set(cuda_outputs "${PROJECT_BINARY_DIR}/cuda")

if(cuda_compiler STREQUAL "nvcc")
  if(NOT NATIVEAMP_NVCC)
    message(FATAL_ERROR "NATIVEAMP_CUDA is nvcc, and nvcc is not found. Install the CUDA toolkit, or use clang.")
  endif()
  execute_process(COMMAND "${NATIVEAMP_NVCC}" --list-gpu-code
    OUTPUT_VARIABLE known_architectures COMMAND_ERROR_IS_FATAL ANY)
  set(gencode "")
  foreach(architecture 75 80 86 89 90 100 120)
    if(known_architectures MATCHES "sm_${architecture}[\r\n]")
      list(APPEND gencode -gencode "arch=compute_${architecture},code=sm_${architecture}")
      set(newest ${architecture})
    endif()
  endforeach()
  if(NOT gencode)
    message(FATAL_ERROR "${NATIVEAMP_NVCC} knows none of the architectures 75 to 120.")
  endif()
  list(APPEND gencode -gencode "arch=compute_${newest},code=compute_${newest}")
  set(cuda_command "${NATIVEAMP_NVCC}" -fatbin ${gencode} -O3 -std=c++20 --fmad=false --prec-div=true
    --prec-sqrt=true --ftz=false --expt-relaxed-constexpr ${cuda_includes})
  set(cuda_extension fatbin)
  set(cuda_depfile -MD -MF)
  message(STATUS "CUDA: ${NATIVEAMP_NVCC}, fatbin")
else()
  if(NOT NATIVEAMP_CUDA_CLANG)
    message(FATAL_ERROR "NATIVEAMP_CUDA is clang, and clang++ is not found (apt-get install clang-19).")
  endif()
  # Contraction off also here: the promise of equal bits reaches the GPU. Then LLVM writes .rn on every addition and
  # multiplication, which keeps the driver's compiler from fusing them. Everything is inlined: a call would keep values
  # in memory that belong in registers.
  set(cuda_command "${NATIVEAMP_CUDA_CLANG}" -x cuda --cuda-device-only --cuda-gpu-arch=sm_75
    -Xclang -target-feature -Xclang +ptx75 -nocudainc -nocudalib -O3 -std=c++20 -ffp-contract=off
    -mllvm -inline-threshold=1000000 -Wall -Wextra -Wno-unknown-cuda-version ${cuda_includes} -S)
  if(NATIVEAMP_WERROR)
    list(APPEND cuda_command -Werror)
  endif()
  set(cuda_extension ptx)
  set(cuda_depfile -MD -MF)
  message(STATUS "CUDA: ${NATIVEAMP_CUDA_CLANG}, PTX for sm_75")
endif()

file(MAKE_DIRECTORY "${cuda_outputs}")
file(GLOB cuda_kernels CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/native/cuda/*.cu")
set(NATIVEAMP_KERNELS ${cuda_extension}) # ptx or fatbin; unset: none
set(cuda_images "")
foreach(kernel IN LISTS cuda_kernels)
  get_filename_component(family "${kernel}" NAME_WE)
  set(image "${cuda_outputs}/${family}.${cuda_extension}")
  add_custom_command(OUTPUT "${image}"
    COMMAND ${cuda_command} ${cuda_depfile} "${image}.d" -o "${image}" "${kernel}"
    DEPENDS "${kernel}" DEPFILE "${image}.d"
    COMMENT "CUDA kernels: ${family}" VERBATIM)
  list(APPEND cuda_images "${image}")
endforeach()

set(cuda_embedded "${cuda_outputs}/kernel_images.cpp")
add_custom_command(OUTPUT "${cuda_embedded}"
  COMMAND ${CMAKE_COMMAND} "-DOUTPUT=${cuda_embedded}" "-DIMAGES=${cuda_images}"
    -P "${CMAKE_CURRENT_LIST_DIR}/EmbedImages.cmake"
  DEPENDS ${cuda_images} "${CMAKE_CURRENT_LIST_DIR}/EmbedImages.cmake"
  COMMENT "CUDA kernels: embedding" VERBATIM)

file(GLOB cuda_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/native/cuda/*.cpp")
if(NATIVEAMP_SANITIZE AND CMAKE_CXX_COMPILER_ID MATCHES Clang)
  # The driver's functions are declared here with int for its enumerations and void* for its handles, which are the same to a call and not to
  # clang's check of function types.
  set_source_files_properties(${cuda_sources} PROPERTIES COMPILE_OPTIONS -fno-sanitize=function)
endif()
target_sources(nativeamp-cuda INTERFACE ${cuda_sources} "${cuda_embedded}")
target_compile_definitions(nativeamp-cuda INTERFACE NATIVEAMP_CUDA=1)

# How each compiler makes an image of every kernel, and how images get into a library. Used by CudaKernels.cmake for the library, and by tests/nvidia for
# what NVIDIA's tools are asked.

set(cuda_includes "-I${PROJECT_SOURCE_DIR}/native" "-I${PROJECT_SOURCE_DIR}/native/include")
# No contraction, IEEE division and root, no flushing to zero: the promise of equal bits reaches the GPU.
set(cuda_nvcc_flags -O3 -std=c++20 --fmad=false --prec-div=true --prec-sqrt=true --ftz=false --expt-relaxed-constexpr ${cuda_includes})
if(NATIVEAMP_WERROR)
  list(APPEND cuda_nvcc_flags -Werror all-warnings)
endif()

# The architecture that a kernel's file needs: that at the end of its name (attention_sm80), else 7.5.
function(nativeamp_oldest_architecture name variable)
  set(oldest 75)
  if(name MATCHES "_sm([0-9]+)$")
    set(oldest ${CMAKE_MATCH_1})
  endif()
  set(${variable} ${oldest} PARENT_SCOPE)
endfunction()

# nativeamp_make_images(FOLDER EXTENSION COMMENT FLAGS COMMAND...): an image of every kernel, by a command that takes -o OUTPUT INPUT. FLAGS is a function
# that sets `flags` to what the command takes for an oldest architecture.
function(nativeamp_make_images folder extension comment flags_of)
  file(MAKE_DIRECTORY "${folder}")
  foreach(name IN LISTS NATIVEAMP_KERNELS)
    set(image "${folder}/${name}.${extension}")
    set(kernel "${PROJECT_SOURCE_DIR}/native/cuda/${name}.cu")
    nativeamp_oldest_architecture("${name}" oldest)
    cmake_language(CALL ${flags_of} ${oldest})
    # -MT: ninja wants the dependencies of this very file.
    add_custom_command(OUTPUT "${image}"
      COMMAND ${ARGN} ${flags} -MD -MT "${image}" -MF "${image}.d" -o "${image}" "${kernel}"
      DEPENDS "${kernel}" DEPFILE "${image}.d"
      COMMENT "${comment}: ${name}" VERBATIM)
  endforeach()
endfunction()

# Everything is inlined: a call would keep values in memory that belong in registers. LLVM writes .rn on every addition and multiplication when
# contraction is off, which keeps the driver's compiler from fusing them.
function(nativeamp_clang_target oldest)
  set(flags --cuda-gpu-arch=sm_${oldest} PARENT_SCOPE)
endfunction()
function(nativeamp_clang_ptx folder)
  nativeamp_make_images("${folder}" ptx "CUDA kernels, PTX" nativeamp_clang_target "${NATIVEAMP_CUDA_CLANG}" -x cuda --cuda-device-only
    -Xclang -target-feature -Xclang +ptx75 -nocudainc -nocudalib -O3 -std=c++20 -ffp-contract=off
    -mllvm -inline-threshold=1000000 -mllvm -locally-hot-callsite-threshold=1000000 -Wall -Wextra -Wno-unknown-cuda-version ${cuda_includes} -S
    $<$<BOOL:${NATIVEAMP_WERROR}>:-Werror>)
endfunction()

function(nativeamp_clang_version variable)
  execute_process(COMMAND "${NATIVEAMP_CUDA_CLANG}" -dumpversion OUTPUT_VARIABLE version OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  set(${variable} "clang ${version}" PARENT_SCOPE)
endfunction()

# Of an nvcc: PREFIX_version (12.4), PREFIX_driver (the version of the driver that its PTX needs, as the driver counts: 12040), PREFIX_architectures
# (those of 7.5 and later that it knows, oldest first) and PREFIX_holds (what its fatbins hold, in words).
function(nativeamp_nvcc_facts nvcc prefix)
  execute_process(COMMAND "${nvcc}" --version OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
  if(NOT text MATCHES "release ([0-9]+)\\.([0-9]+)")
    message(FATAL_ERROR "${nvcc} --version says no release: ${text}")
  endif()
  set(version ${CMAKE_MATCH_1}.${CMAKE_MATCH_2})
  math(EXPR driver "${CMAKE_MATCH_1} * 1000 + ${CMAKE_MATCH_2} * 10")
  execute_process(COMMAND "${nvcc}" --list-gpu-code OUTPUT_VARIABLE known COMMAND_ERROR_IS_FATAL ANY)
  set(architectures "")
  foreach(architecture 75 80 86 87 89 90 100 103 110 120 121)
    if(known MATCHES "sm_${architecture}[\r\n]")
      list(APPEND architectures ${architecture})
    endif()
  endforeach()
  if(NOT architectures MATCHES "^75")
    message(FATAL_ERROR "${nvcc} does not know compute capability 7.5. Use a CUDA toolkit from 10.0 to 13, or clang.")
  endif()
  string(REGEX REPLACE "([0-9])(;|$)" ".\\1\\2" spoken "${architectures}")
  list(GET spoken -1 newest)
  string(REPLACE ";" ", " spoken "${spoken}")
  set(${prefix}_version ${version} PARENT_SCOPE)
  set(${prefix}_driver ${driver} PARENT_SCOPE)
  set(${prefix}_architectures "${architectures}" PARENT_SCOPE)
  set(${prefix}_holds "machine code for ${spoken}, PTX for 7.5 and ${newest}" PARENT_SCOPE)
endfunction()

# The PTX of the oldest serves every device that has no machine code here and is not newer than all of it (Jetson's, Thor); that of the newest those to
# come. Compressed as any driver can read it: since 12.8 nvcc can also compress in a way that needs a driver of CUDA 12.8 or newer.
function(nativeamp_nvcc_targets oldest)
  set(gencode "")
  foreach(architecture IN LISTS NATIVEAMP_NVCC_ARCHITECTURES)
    if(NOT architecture LESS oldest)
      list(APPEND gencode -gencode "arch=compute_${architecture},code=sm_${architecture}")
    endif()
  endforeach()
  list(GET NATIVEAMP_NVCC_ARCHITECTURES -1 newest)
  set(translated ${oldest} ${newest})
  list(REMOVE_DUPLICATES translated)
  foreach(architecture IN LISTS translated)
    list(APPEND gencode -gencode "arch=compute_${architecture},code=compute_${architecture}")
  endforeach()
  set(flags ${gencode} PARENT_SCOPE)
endfunction()
function(nativeamp_nvcc_fatbins nvcc folder)
  nativeamp_nvcc_facts("${nvcc}" it)
  set(NATIVEAMP_NVCC_ARCHITECTURES "${it_architectures}")
  if(it_version VERSION_LESS 12.8)
    set(compression -Xfatbin -compress-all)
  else()
    set(compression --compress-mode=speed)
  endif()
  nativeamp_make_images("${folder}" fatbin "CUDA kernels, fatbin" nativeamp_nvcc_targets "${nvcc}" -fatbin ${compression} ${cuda_nvcc_flags})
endfunction()

# For an architecture, or the oldest that a kernel's file can be for.
function(nativeamp_nvcc_target oldest)
  set(architecture ${NATIVEAMP_NVCC_ARCHITECTURE})
  if(architecture LESS oldest)
    set(architecture ${oldest})
  endif()
  set(flags -arch=compute_${architecture} PARENT_SCOPE)
endfunction()
function(nativeamp_nvcc_ptx nvcc architecture folder)
  set(NATIVEAMP_NVCC_ARCHITECTURE ${architecture})
  nativeamp_make_images("${folder}" ptx "NVIDIA's PTX for ${architecture}" nativeamp_nvcc_target "${nvcc}" -ptx ${cuda_nvcc_flags} ${ARGN})
endfunction()

# nativeamp_embed(TARGET FIRST FOLDER EXTENSION [NET FOLDER] COMPILER TEXT HOLDS TEXT DRIVER VERSION): a library of objects with the images of FIRST, and
# clang's PTX of NET for where the driver refuses those (native/cuda/kernel_images.h).
function(nativeamp_embed target)
  cmake_parse_arguments(PARSE_ARGV 1 it "" "NET;COMPILER;HOLDS;DRIVER" "FIRST")
  list(GET it_FIRST 0 first)
  list(GET it_FIRST 1 extension)
  set(format "PTX")
  if(extension STREQUAL "fatbin")
    set(format "fatbin")
  endif()
  set(bytes "")
  set(table "")
  set(files "")
  foreach(name IN LISTS NATIVEAMP_KERNELS)
    string(APPEND bytes "NAMP_EMBED(namp_${name}_image, \"${first}/${name}.${extension}\")\n")
    list(APPEND files "${first}/${name}.${extension}")
    set(net nullptr)
    if(it_NET)
      string(APPEND bytes "NAMP_EMBED(namp_${name}_net, \"${it_NET}/${name}.ptx\")\n")
      list(APPEND files "${it_NET}/${name}.ptx")
      set(net namp_${name}_net)
    endif()
    string(APPEND table "    {\"${name}\", namp_${name}_image, ${net}},\n")
  endforeach()
  set(source "${PROJECT_BINARY_DIR}/${target}/kernel_images.cpp")
  configure_file("${PROJECT_SOURCE_DIR}/cmake/kernel_images.cpp.in" "${source}" @ONLY)
  # A shared translation unit would not be compiled again when the files change.
  set_source_files_properties("${source}" PROPERTIES OBJECT_DEPENDS "${files}" SKIP_UNITY_BUILD_INCLUSION ON)
  add_library(${target} OBJECT "${source}")
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/native")
  target_link_libraries(${target} PRIVATE nativeamp-compiler)
endfunction()

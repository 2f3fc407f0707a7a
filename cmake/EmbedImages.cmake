# cmake -DOUTPUT=kernel_images.cpp "-DIMAGES=a.ptx;b.ptx" -P EmbedImages.cmake
# Writes each file into a C++ source as an array of bytes with a zero behind it (PTX is text), and a table of them by
# name (native/cuda/kernel_images.h).

set(source "// Made by cmake/EmbedImages.cmake.\n#include \"cuda/kernel_images.h\"\n\nnamespace namp {\nnamespace {\n\n")
set(table "")
set(format "fatbin")
foreach(image IN LISTS IMAGES)
  get_filename_component(name "${image}" NAME_WE)
  if(image MATCHES "\\.ptx$")
    set(format "PTX")
  endif()
  file(READ "${image}" bytes HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
  string(APPEND source "alignas(16) const unsigned char k_${name}[] = {\n${bytes}0x00};\n\n")
  string(APPEND table "    {\"${name}\", k_${name}, sizeof(k_${name})},\n")
endforeach()
string(APPEND source "}  // namespace\n\nconst KernelImage kKernelImages[] = {\n${table}    {nullptr, nullptr, 0}};\n\nconst char* const kKernelFormat = \"${format}\";\n\n}  // namespace namp\n")
file(WRITE "${OUTPUT}" "${source}")

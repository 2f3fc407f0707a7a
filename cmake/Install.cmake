# cmake --install artifacts/cmake/release --prefix DIR: the library, its header, and NativeAmp::nativeamp for find_package(NativeAmp).
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

# Before 1.0 every minor version may break, and has a soname of its own (libnativeamp.so.0.1).
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(nativeamp_soversion 0.${PROJECT_VERSION_MINOR})
  set(nativeamp_compatibility SameMinorVersion)
else()
  set(nativeamp_soversion ${PROJECT_VERSION_MAJOR})
  set(nativeamp_compatibility SameMajorVersion)
endif()
set_target_properties(nativeamp PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${nativeamp_soversion} PUBLIC_HEADER native/include/nativeamp.h)
target_include_directories(nativeamp INTERFACE
  "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/native/include>" "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")

set(nativeamp_package "${CMAKE_INSTALL_LIBDIR}/cmake/NativeAmp")
install(TARGETS nativeamp EXPORT NativeAmpTargets)
install(EXPORT NativeAmpTargets NAMESPACE NativeAmp:: FILE NativeAmpConfig.cmake DESTINATION "${nativeamp_package}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/NativeAmpConfigVersion.cmake" COMPATIBILITY ${nativeamp_compatibility})
install(FILES "${PROJECT_BINARY_DIR}/NativeAmpConfigVersion.cmake" DESTINATION "${nativeamp_package}")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")

# cmake -DNM=nm -DLIBRARY=libnativeamp.so -P CheckExports.cmake
# The library shows namp_* and nothing else, and asks for no libstdc++: a newer one than the system has would keep it
# from loading.

execute_process(COMMAND ${NM} -D ${LIBRARY} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "\n" ";" symbols "${symbols}")
set(exported 0)
foreach(line IN LISTS symbols)
  if(line MATCHES "GLIBCXX_|CXXABI_")
    message(SEND_ERROR "needs libstdc++: ${line}")
  elseif(line MATCHES "^[0-9a-f]+ [A-Z] (.+)$")
    math(EXPR exported "${exported} + 1")
    if(NOT CMAKE_MATCH_1 MATCHES "^namp_")
      message(SEND_ERROR "exported, but not of the API: ${CMAKE_MATCH_1}")
    endif()
  endif()
endforeach()
if(exported EQUAL 0)
  message(SEND_ERROR "exports nothing")
endif()
message(STATUS "${exported} functions exported")

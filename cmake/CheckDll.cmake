# cmake -DOBJDUMP=objdump -DLIBRARY=libnativeamp.dll -P CheckDll.cmake
# What CheckExports.cmake asks of a library on Linux: it shows namp_* and nothing else, and needs no DLL that Windows lacks. And no
# vector is moved to or from the stack by an instruction that asks for more alignment than Windows gives it (Compiler.cmake).

execute_process(COMMAND ${OBJDUMP} -p ${LIBRARY} OUTPUT_VARIABLE headers COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "DLL Name: [^\n\r]+" needed "${headers}")
foreach(each IN LISTS needed)
  string(REPLACE "DLL Name: " "" each "${each}")
  string(TOLOWER "${each}" name)
  # The system's own since Windows 8, and its C library, older or newer.
  if(NOT name MATCHES "^(kernel32|advapi32|api-ms-win-core-synch-l1-2-0|msvcrt|ucrtbase|api-ms-win-crt-[a-z0-9-]+)\\.dll$")
    message(SEND_ERROR "needs ${each}, which a machine may lack")
  endif()
  list(APPEND names ${each})
endforeach()
if(NOT names)
  message(SEND_ERROR "needs no DLL at all: objdump was not understood")
endif()

# After the headline of the names "	[   0] namp_version", newer ones with +base[   1] and a number in between.
string(REGEX REPLACE ".*Ordinal/Name Pointer\\] Table" "" names_of_functions "${headers}")
string(REGEX MATCHALL "\n\t\\[ *[0-9]+\\] [^\n\r]+" exported "${names_of_functions}")
foreach(line IN LISTS exported)
  string(REGEX MATCH "[^ ]+$" name "${line}")
  if(NOT name MATCHES "^namp_")
    message(SEND_ERROR "exported, but not of the API: ${name}")
  endif()
endforeach()
list(LENGTH exported count)
if(count EQUAL 0)
  message(SEND_ERROR "exports nothing")
endif()

if(CMAKE_HOST_UNIX) # for its grep
  set(aligned_move "\\sv?mov(ap[sd]|dqa(32|64)?)\\s")
  execute_process(COMMAND ${OBJDUMP} -d --no-show-raw-insn ${LIBRARY}
    COMMAND grep -E "${aligned_move}.*%[yz]mm.*\\(%r[sb]p|${aligned_move}.*\\(%r[sb]p.*%[yz]mm"
    COMMAND head -1
    OUTPUT_VARIABLE aligned)
  if(aligned)
    message(SEND_ERROR "asks the stack for 32 or 64 bytes of alignment: ${aligned}")
  endif()
endif()
message(STATUS "${count} functions exported; needs ${names}")

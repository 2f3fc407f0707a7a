/* Lets programs of .NET catch more than one exception a thread under Wine 8.
 *
 * While Wine calls a handler of an exception, the thread's block points to a record of Wine's own
 * on the stack. Windows has no such records on x86-64, so .NET, which does not return from the
 * handler that finds a catch, goes on without taking one out. At a later exception Wine follows the
 * pointer to where other calls have written since, and the thread ends without a word. Here the
 * pointer is cleared before Wine looks at it.
 *
 * The environment brings this library into every process of .NET: the runtime loads what
 * CORECLR_PROFILER_PATH names (systems.sh), hears that there is no profiler in it, and goes on
 * without. */
#include <windows.h>

/* Wine's own functions catch by such records as well: what Windows calls informational (a
 * debugger's text), and the numbers of RPC's errors. Those are left to them. */
static BOOL is_wines_own(DWORD code) { return code >> 30 == 1 || code < 0x10000; }

static LONG CALLBACK clear_records(EXCEPTION_POINTERS* exception) {
  if (!is_wines_own(exception->ExceptionRecord->ExceptionCode))
    __asm__ volatile("movq $-1, %gs:0"); /* NT_TIB.ExceptionList: none */
  return EXCEPTION_CONTINUE_SEARCH;
}

/* The runtime unloads a library that has no profiler: this one stays. */
BOOL WINAPI DllMain(HINSTANCE library, DWORD reason, LPVOID reserved) {
  (void)reserved;
  HMODULE pinned;
  if (reason == DLL_PROCESS_ATTACH &&
      GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                         (LPCWSTR)library, &pinned))
    AddVectoredExceptionHandler(1, clear_records);
  return TRUE;
}

__declspec(dllexport) HRESULT WINAPI
    DllGetClassObject(REFCLSID class_id, REFIID interface_id, LPVOID* object) {
  (void)class_id;
  (void)interface_id;
  *object = NULL;
  return CLASS_E_CLASSNOTAVAILABLE;
}

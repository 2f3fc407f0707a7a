/*
 * nativeamp.h - the C interface of NativeAmp: mixed-precision training on the CPU and on NVIDIA
 * GPUs.
 *
 * Conventions, which hold for every function unless its comment says otherwise:
 *
 *  - A function is called namp_module_verb, puts its outputs first, and returns a namp_status.
 *    NAMP_OK is 0. On failure namp_last_error_message() tells, for the calling thread, what was
 *    wrong with which value and what to do. A failed call changes nothing. No C++ exception crosses
 *    this interface.
 *  - An argument struct begins with struct_size, which the caller sets to sizeof the struct it was
 *    compiled with. A larger struct than the library knows is accepted if the rest is zero. Set
 *    fields that are not used to zero, and reserved ones always. If zero is not the default,
 *    NAMP_…_INIT has the defaults.
 *  - Tensor data is passed as plain pointers to memory that the device can access (a CUdeviceptr on
 *    a GPU, any memory of the process on the CPU). It may belong to this library or to another one.
 *    A pointer is aligned to its element, no more. Tensors are dense and row-major unless strides
 *    are given. A count may be 0; its pointer may then be null.
 *  - Counts, strides and sizes in elements are int64_t. A "column" or "row" count below 0 is an
 *    error.
 *  - A namp_stream is a plain handle (a CUstream on a GPU; the CPU has only one stream and works
 *    synchronously). Null is the device's own stream (namp_device_get_stream). It is not CUDA's
 *    default stream, and does not wait for that or any other. Work on one stream is ordered; only
 *    events order work of different streams. A function makes the host wait only if its comment
 *    says so.
 *  - Half precision is IEEE binary16 (NAMP_FLOAT16) or bfloat16 (NAMP_BFLOAT16). Narrowing rounds
 *    to nearest even unless another rounding is chosen; subnormals are kept; a NaN stays a NaN
 *    (with the sign and the upper payload bits, made quiet); overflow goes to infinity, or to NaN
 *    if the format has no infinity. Arithmetic is in float32, rounded once when it is stored.
 *  - In-place operation (an output that is exactly one of the inputs) is allowed for element-wise
 *    functions. Other overlap is not.
 *  - Every function may be called from several threads at once, also over one device, table or
 *    stream: calls that compute on one device run one after the other, in some order. Callers must
 *    order calls that read and write the same memory, and must not destroy an object that another
 *    thread still uses.
 *  - Results do not depend on the floating-point mode (flush to zero, rounding, traps) of the
 *    calling thread or of OpenMP's threads. A call restores each thread's mode when it returns.
 *  - After fork() the child may use the parent's CPU devices, or open its own. It computes on the
 *    calling thread only, because other threads stay with the parent. A fork waits until other
 *    threads' calls on CPU devices are over. The child may not use CUDA devices that were opened
 *    before the fork, nor open new ones if the parent had started CUDA (NAMP_ERROR_UNAVAILABLE).
 */
#ifndef NATIVEAMP_H
#define NATIVEAMP_H

#include <stdint.h>

#if defined(_WIN32)
#if defined(NAMP_BUILD)
#define NAMP_API __declspec(dllexport)
#else
#define NAMP_API __declspec(dllimport)
#endif
#else
#define NAMP_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when a function, a struct or a meaning changes incompatibly. A caller compares it with
 * namp_abi_version(). */
#define NAMP_ABI_VERSION 6

/* Version of this header; namp_version() is the version of the library. */
#define NAMP_VERSION_MAJOR 0
#define NAMP_VERSION_MINOR 1
#define NAMP_VERSION_PATCH 0

/* Most dimensions of namp_permute. */
#define NAMP_PERMUTE_MAX_RANK 6

/* Most dimensions of namp_map. */
#define NAMP_MAP_MAX_RANK 6

/* Most columns of a tensor table. */
#define NAMP_TABLE_MAX_COLUMNS 8

/* Most optimizers that share a loss scale. */
#define NAMP_SCALER_MAX_STATES 64

/* ---- Status ---- */

/* The result of a call. A call with any result but NAMP_OK has changed nothing. */
typedef enum namp_status {
  NAMP_OK = 0,
  /* a null, a negative count, an unknown dtype, sizes that do not fit each other */
  NAMP_ERROR_INVALID_ARGUMENT = 1,
  NAMP_ERROR_MISALIGNED = 2,    /* a pointer that is not a multiple of its element's size */
  NAMP_ERROR_OUT_OF_MEMORY = 3, /* the device cannot give that much */
  NAMP_ERROR_UNSUPPORTED = 4,   /* valid, but not supported by this backend */
  NAMP_ERROR_UNAVAILABLE = 5,   /* no such device or backend on this machine */
  NAMP_ERROR_DEVICE = 6,        /* the device or its driver failed */
  NAMP_ERROR_INTERNAL = 7,      /* a defect of NativeAmp */
  NAMP_ERROR_CAPTURE = 8        /* it cannot be part of a graph: see "Graphs" */
} namp_status;

/* Element types. Zero is not a type, so that a forgotten dtype is an error. */
typedef enum namp_dtype {
  NAMP_DTYPE_NONE = 0,
  NAMP_FLOAT32 = 1,
  NAMP_FLOAT16 = 2,
  NAMP_BFLOAT16 = 3,
  NAMP_INT32 = 4,
  NAMP_UINT8 = 5,
  /* eight bits, OCP 8-bit Floating Point Specification 1.0, for casts and for the gradients of an
     optimizer's step: E4M3 (PyTorch's float8_e4m3fn: to 448, NaN, no infinity) and E5M2 (to 57,344),
     the gradients' format of "FP8 formats for deep learning" (Micikevicius et al. 2022) */
  NAMP_FLOAT8_E4M3 = 6,
  NAMP_FLOAT8_E5M2 = 7,
  /* Codes of eight bits, for an optimizer's columns of state and for casts from and to float32. Every
     NAMP_BLOCK_ELEMENTS elements, from a tensor's first on, share a float32 scale: the block's
     largest magnitude (INT8_DYNAMIC, which has no -1: with the sign of that element, and of the
     positive one if two are as large). A value is its code's number in [-1, 1] times
     the scale, and has the nearest code. The unsigned maps are for what is never negative (a
     negative value is stored as 0) and keep every positive value above 0. A block with a NaN or an
     infinity is NaN as a whole; one whose largest magnitude is below 2^-126 is 0.
     DYNAMIC: the codes of dynamic tree quantization (Dettmers 2016; create_dynamic_map of
     bitsandbytes): seven decades, each twice as fine as the one below it. LINEAR: (code - 127) / 127,
     or code / 255. */
  NAMP_INT8_DYNAMIC = 8,
  NAMP_UINT8_DYNAMIC = 9,
  NAMP_INT8_LINEAR = 10,
  NAMP_UINT8_LINEAR = 11,
  /* the remainder of a float32 beside a bfloat16: see namp_optimizer_columns */
  NAMP_INT16 = 12
} namp_dtype;

/* Elements that share a scale in the dtypes NAMP_INT8_DYNAMIC to NAMP_UINT8_LINEAR. */
#define NAMP_BLOCK_ELEMENTS 256

/* Kinds of devices. */
typedef enum namp_device_kind { NAMP_DEVICE_CPU = 1, NAMP_DEVICE_CUDA = 2 } namp_device_kind;

/* The purpose of a piece of device memory. Statistics are kept by kind. */
typedef enum namp_memory_kind {
  NAMP_MEMORY_OTHER = 0,
  NAMP_MEMORY_PARAMETERS = 1,      /* FP32 master weights and buffers of modules */
  NAMP_MEMORY_COMPUTE_COPIES = 2,  /* FP16 or BF16 copies of parameters */
  NAMP_MEMORY_OPTIMIZER_STATE = 3, /* moments */
  NAMP_MEMORY_GRADIENTS = 4,
  NAMP_MEMORY_ACTIVATIONS = 5, /* outputs of operators, and tensors saved for backward */
  NAMP_MEMORY_WORKSPACE = 6,   /* scratch of operators, reusable after each */
  NAMP_MEMORY_KIND_COUNT = 7
} namp_memory_kind;

/* The direction of a copy. On the CPU all are the same. */
typedef enum namp_copy_direction {
  NAMP_COPY_HOST_TO_DEVICE = 1,
  NAMP_COPY_DEVICE_TO_HOST = 2,
  NAMP_COPY_DEVICE_TO_DEVICE = 3
} namp_copy_direction;

/* SIMD instruction sets of the CPU backend. Every one gives the same bits for the four kernel
 * families, and for integers. AVX512_BF16 and AMX_BF16 differ from AVX-512 in bfloat16's matrix
 * products and convolutions alone: their instructions take subnormal numbers for zeros and add in
 * another order. */
typedef enum namp_simd {
  NAMP_SIMD_BEST = 0, /* the best of this machine */
  /* the instructions of every CPU of the architecture (SSE2 on x86-64, NEON on arm64) */
  NAMP_SIMD_BASELINE = 1,
  NAMP_SIMD_AVX2 = 2,
  NAMP_SIMD_AVX512 = 3,
  NAMP_SIMD_AVX512_BF16 = 4, /* and vdpbf16ps */
  NAMP_SIMD_AMX_BF16 = 5,    /* and tiles of AMX, where the system allows them (Linux) */
  /* NEON and SDOT (FEAT_DotProd of Armv8.2), for products and convolutions of 8-bit integers */
  NAMP_SIMD_NEON_DOTPROD = 6
} namp_simd;

/* How a cast to half precision rounds. */
typedef enum namp_rounding {
  NAMP_ROUND_NEAREST_EVEN = 0,
  /* rounds up with the probability of the discarded fraction; Philox4x32-10, counted by element */
  NAMP_ROUND_STOCHASTIC = 1
} namp_rounding;

/* Flags of a cast. */
typedef enum namp_cast_flags {
  NAMP_CAST_DEFAULT = 0,
  /* finite values beyond the largest finite one become that value, not infinity (or NaN, in E4M3);
     in the 8-bit formats infinity becomes it, too, as in the OCP specification */
  NAMP_CAST_SATURATE = 1
} namp_cast_flags;

/* How namp_table_touch accesses a column. */
typedef enum namp_access {
  NAMP_ACCESS_NONE = 0,
  NAMP_ACCESS_READ = 1,
  NAMP_ACCESS_WRITE = 2,     /* zeros */
  NAMP_ACCESS_READ_WRITE = 3 /* the complement of the bits that were read */
} namp_access;

/* Element-wise activations. */
typedef enum namp_activation {
  NAMP_ACTIVATION_NONE = 0,
  NAMP_ACTIVATION_RELU = 1,
  NAMP_ACTIVATION_GELU = 2,      /* x * Phi(x), by the error function */
  NAMP_ACTIVATION_GELU_TANH = 3, /* the tanh approximation (Hendrycks and Gimpel 2016) */
  /* Not in a product's own pass: */
  NAMP_ACTIVATION_SILU = 4,    /* x / (1 + e^-x), also called swish (Elfwing et al. 2017) */
  NAMP_ACTIVATION_SIGMOID = 5, /* 1 / (1 + e^-x) */
  NAMP_ACTIVATION_TANH = 6     /* the hyperbolic tangent */
} namp_activation;

/* Kinds of pooling. */
typedef enum namp_pooling {
  NAMP_POOL_MAX = 1,
  /* padding counts as zeros in the mean (count_include_pad, PyTorch's default) */
  NAMP_POOL_AVERAGE = 2
} namp_pooling;

/* The loss of namp_cross_entropy if a label is out of range, as the bits of a float: a NaN whose
 * payload tells the reason. */
#define NAMP_BAD_LABEL_LOSS 2143337169 /* 0x7fc0bad1 */

/* The kind of a namp_index_fact. */
typedef enum namp_index_kind {
  NAMP_INDEX_LABEL = 1, /* of namp_cross_entropy */
  NAMP_INDEX_ROW = 2    /* of the table of namp_embedding_forward */
} namp_index_kind;

/* A label or index out of range that a kernel met. It lies on the device, so that nothing waits for
 * it. All zeros is a valid start. */
typedef struct namp_index_fact {
  int64_t count;    /* calls so far that met one */
  int64_t position; /* of the last such call: the first such element of its labels or indices */
  int64_t value;    /* the label or index */
  int64_t range;    /* a valid value is 0 or more, and less than this */
  int32_t kind;     /* namp_index_kind */
  int32_t reserved;
} namp_index_fact;

/* A device that was opened. */
typedef struct namp_device namp_device;

/* A tensor table: see "Tensor tables". */
typedef struct namp_table namp_table;

/* A point in a stream's work: see "Events". */
typedef struct namp_event namp_event;

/* Work that was captured: see "Graphs". */
typedef struct namp_graph namp_graph;

/* A stream handle: see the conventions above. */
typedef void* namp_stream;

/* ---- Library ---- */

/* NAMP_ABI_VERSION of the header that the library was built with. */
NAMP_API int32_t namp_abi_version(void);

/* The library's version, such as "0.1.0". Static storage. */
NAMP_API const char* namp_version(void);

/* The message of the last failed call of this thread, in English, or "". Valid until the thread's
 * next call. */
NAMP_API const char* namp_last_error_message(void);

/* The name of a status, such as "NAMP_ERROR_MISALIGNED". Static storage; "unknown status" for any
 * other value. */
NAMP_API const char* namp_status_name(int32_t status);

/* sizeof a struct by name (such as "namp_optimizer_group") in this library, or -1. Bindings use it
 * to check their layout. */
NAMP_API int64_t namp_struct_size(const char* name);

/* ---- Profile ---- */

/* The time spent in one function of this interface. */
typedef struct namp_profile_entry {
  const char* function; /* such as "namp_gemm"; static storage */
  int64_t calls;        /* 1 or more, failed ones included */
  int64_t nanoseconds;  /* total of all its calls, over all threads */
} namp_profile_entry;

/* Starts to measure all threads of the process, from zero. Until the stop a call that gives a GPU
 * work lasts until the GPU has done it, so that a function's time is the device's (and the time to
 * give the work out, some microseconds a call). As nothing overlaps, the program is slower. */
NAMP_API int32_t namp_profile_start(void);

/* Stops measuring. The times stay until the next start. */
NAMP_API int32_t namp_profile_stop(void);

/* The functions that were called, in no order. *count is their number; up to capacity (0 or more)
 * of them are written to entries, which may be null if capacity is 0. */
NAMP_API int32_t namp_profile_read(namp_profile_entry* entries, int32_t* count, int32_t capacity);

/* ---- Devices ---- */

/* A device's description. */
typedef struct namp_device_info {
  uint32_t struct_size;
  int32_t kind; /* namp_device_kind */
  int32_t ordinal;
  int32_t threads;       /* CPU: threads that a call of this thread uses now. GPU: 0 */
  int32_t simd;          /* CPU: namp_simd in use. GPU: 0 */
  int32_t compute_major; /* GPU: compute capability */
  int32_t compute_minor;
  int32_t multiprocessors;
  int64_t memory_total; /* bytes; CPU: of the machine */
  int64_t memory_free;
  char name[128]; /* such as "AMD EPYC" or "NVIDIA H100", zero-terminated */
  /* CPU: the reason for the number of threads, such as "a CPU quota of 1.5 on 8 processors",
     zero-terminated. GPU: "" */
  char threads_reason[128];
  /* what it computes with, zero-terminated. CPU: "oneDNN 2.6.3", or what was tried to find it. GPU:
     the driver, how the kernels were compiled and for what, and cuBLAS or what was tried to find it
   */
  char libraries[1024];
} namp_device_info;

/* Number of devices of a kind (the CPU backend has one). When there are none, reason says why, in
   English, zero-terminated, and cut to its capacity in bytes; it is "" where there are some, and may
   be null if the capacity is 0. */
NAMP_API int32_t namp_device_count(int32_t* count, int32_t kind, char* reason,
                                   int64_t reason_capacity);

/* Opens a device. Each call makes an object of its own, to be closed with namp_device_close. */
NAMP_API int32_t namp_device_open(namp_device** device, int32_t kind, int32_t ordinal);

/* Opens a GPU in a CUDA context of the caller (a CUcontext), so that the memory, the streams and the
   events of that context are the device's. A device that is opened by its number works in the primary
   context. The context must live until the device is closed; the primary one is kept alive. Null, and
   a context that was destroyed, are NAMP_ERROR_INVALID_ARGUMENT. */
NAMP_API int32_t namp_device_open_context(namp_device** device, void* context);

/* The CUDA context (a CUcontext) that a device works in; null for the CPU. */
NAMP_API int32_t namp_device_get_context(void** context, namp_device* device);

/* Closes a device and gives back the memory in its cache. Refused (NAMP_ERROR_INVALID_ARGUMENT)
   while memory, pinned memory of the host, or tables of it are alive. Null is ignored. */
NAMP_API int32_t namp_device_close(namp_device* device);

/* Facts of a device. info->struct_size is set by the caller. */
NAMP_API int32_t namp_device_get_info(namp_device_info* info, namp_device* device);

/* Threads of the CPU backend, 1 to 1024; 0, as when it is opened, for the least of: the processors
   that the calling thread may run on, a container's CPU quota (rounded up), and OMP_NUM_THREADS;
   OMP_THREAD_LIMIT bounds any number. The threads are the device's own: they start with the first
   work for them, and end with the device. oneDNN works on as many of OpenMP's, or on the calling
   thread alone within a parallel region of the caller. Unsupported on other devices. Results of the
   four families do not depend on it. */
NAMP_API int32_t namp_device_set_threads(namp_device* device, int32_t threads);

/* SIMD target of the CPU backend's kernels, a namp_simd; NAMP_ERROR_UNSUPPORTED where the machine
 * lacks it. For tests. */
NAMP_API int32_t namp_device_set_simd(namp_device* device, int32_t simd);

/* Whether products of float32 matrices on a GPU may round what they multiply to TF32, a sign, 8 bits
   of exponent and 10 of fraction, which tensor cores of compute capability 8.0 and later multiply
   several times faster: 1 or 0, as when it is opened. Sums stay float32. Nothing changes on the CPU,
   for our own kernel (a machine without cuBLAS), nor for other dtypes. */
NAMP_API int32_t namp_device_set_allow_tf32(namp_device* device, int32_t allow);

/* Whether products of matrices on a GPU with cuBLAS are measured: 1 or 0, as when it is opened. With 1
   the first product of each kind (sizes, dtypes, places of rows, what follows) is computed in each way
   there is, by cuBLAS with what its launches leave to do, by cuBLAS without copies of rows at odd
   places, and by our own kernel; this waits for the stream. The fastest is remembered as long as the
   device is open, and used from then on; a product in a capture that was not measured before is cuBLAS's.
   Sums are in another order in another way, so that the last bits of two runs may differ. With 0 cuBLAS
   is always taken, as before. Nothing changes on the CPU. */
NAMP_API int32_t namp_device_set_measure_products(namp_device* device, int32_t measure);

/* ---- Libraries of others ----
 *
 * NVIDIA's driver, cuBLAS and NVML (the management library), and oneDNN are found when they are first
 * needed: the one that the environment names (NATIVEAMP_CUDA_LIBRARY, NATIVEAMP_CUBLAS_LIBRARY,
 * NATIVEAMP_NVML_LIBRARY, NATIVEAMP_ONEDNN_LIBRARY) and no other; else what the process has loaded
 * already, what the system finds by name, and the usual places. One that is there and does not work
 * gives way to the next. With NATIVEAMP_ONEDNN=0 oneDNN is not looked for.
 */

/* Which library. */
typedef enum namp_library {
  NAMP_LIBRARY_CUDA = 1,   /* libcuda */
  NAMP_LIBRARY_CUBLAS = 2, /* looked for by each GPU, when it first multiplies matrices */
  NAMP_LIBRARY_NVML = 3,
  NAMP_LIBRARY_ONEDNN = 4 /* version 2 or 3; looked for by each CPU device when it is opened */
} namp_library;

/* A place where a library was looked for. Both texts are zero-terminated, and cut where they are
 * longer. */
typedef struct namp_library_attempt {
  char place[512];   /* a path, a name, or a folder */
  char failure[512]; /* why it was not taken; "" where it was */
} namp_library_attempt;

/* Folders of the application that are looked in after the usual places, separated as in PATH; null or
   "" for none. A search that is over is not made again. */
NAMP_API int32_t namp_library_set_folders(const char* folders);

/* The handle of the driver's library or of NVML, as dlopen or LoadLibrary gives it: it stays open.
   NVML is started (nvmlInit_v2); the caller shuts it down. NAMP_ERROR_UNAVAILABLE, with a message,
   where there is none that works. */
NAMP_API int32_t namp_library_open(void** handle, int32_t library);

/* The attempts of the last search for a library, in order. *count is their number, 0 before the
   first search; up to capacity (0 or more) of them are written to attempts, which may be null if
   capacity is 0. */
NAMP_API int32_t namp_library_read_attempts(namp_library_attempt* attempts, int32_t* count,
                                            int32_t capacity, int32_t library);

/* ---- Streams ---- */

/* The device's own stream, which null stands for, as a handle that other libraries can use: a
 * CUstream on a GPU, null on the CPU. It lives as long as the device. */
NAMP_API int32_t namp_device_get_stream(namp_stream* stream, namp_device* device);

/* A new stream. Work that is on the device's own stream now is done before any work on the new one.
 * The CPU returns null, its only stream. */
NAMP_API int32_t namp_stream_create(namp_stream* stream, namp_device* device);

/* Destroys a stream made by namp_stream_create. Null is ignored. */
NAMP_API int32_t namp_stream_destroy(namp_device* device, namp_stream stream);

/* Waits on the host until all work put on the stream is done. */
NAMP_API int32_t namp_stream_synchronize(namp_device* device, namp_stream stream);

/* ---- Events ----
 *
 * An event is a point in a stream's work, recorded between calls. It is reached when all work
 * before it is done. Events order streams, and measure time on the device. On the CPU, which works
 * synchronously, an event is reached at once, and holds the time of the call.
 */

/* A new event, not recorded yet. */
NAMP_API int32_t namp_event_create(namp_event** event, namp_device* device);

/* Destroys an event. Null is ignored. */
NAMP_API int32_t namp_event_destroy(namp_event* event);

/* Records the event on a stream of its device. It replaces an earlier record. */
NAMP_API int32_t namp_event_record(namp_event* event, namp_stream stream);

/* Makes later work on the stream wait, on the device, for the event's last record. The host does
 * not wait. For an event that was not recorded nothing waits. */
NAMP_API int32_t namp_stream_wait_event(namp_device* device, namp_stream stream, namp_event* event);

/* Whether a recorded event is reached: 1 or 0, without waiting. */
NAMP_API int32_t namp_event_query(int32_t* reached, namp_event* event);

/* Waits on the host until a recorded event is reached. */
NAMP_API int32_t namp_event_synchronize(namp_event* event);

/* Seconds from one recorded event of a device to another; waits until both are reached. */
NAMP_API int32_t namp_event_elapsed(double* seconds, namp_event* from, namp_event* to);

/* ---- Memory ---- */

/* Bytes by kind, as handed out (rounded up to the allocator's granule). */
typedef struct namp_memory_statistics {
  uint32_t struct_size;
  uint32_t reserved;
  int64_t live_bytes[NAMP_MEMORY_KIND_COUNT]; /* in use now */
  int64_t peak_bytes[NAMP_MEMORY_KIND_COUNT]; /* most in use of that kind since the last reset */
  int64_t peak_total_bytes; /* most in use of all kinds together since the last reset */
  int64_t cached_bytes;     /* held for reuse, not in use */
  int64_t
      system_allocations; /* times the operating system or the driver was asked for memory, ever */
} namp_memory_statistics;

/* Memory on the device from its caching allocator, aligned to 256 bytes, contents undefined. bytes
   may be 0 (null is returned). The kind is a namp_memory_kind. The memory belongs to the given
   stream and may be used on it at once; on another, namp_memory_record_stream says so. */
NAMP_API int32_t namp_memory_allocate(void** pointer, namp_device* device, int64_t bytes,
                                      int32_t kind, namp_stream stream);

/* Gives memory back to the cache of its stream; what was put on that stream, on the given one, and
   on those that namp_memory_record_stream named may still use it: the memory's stream waits for
   them before it uses the memory for something else. Null is ignored; a pointer that is not from
   namp_memory_allocate of this device is an error. */
NAMP_API int32_t namp_memory_free(namp_device* device, void* pointer, namp_stream stream);

/* Says that memory from namp_memory_allocate is used on a stream that it does not belong to, so that
   namp_memory_free waits for what is on that stream by then (PyTorch's record_stream). */
NAMP_API int32_t namp_memory_record_stream(namp_device* device, void* pointer, namp_stream stream);

/* Pinned (page-locked) memory of the host, which the device copies to and from on its own, in the
   order of a stream: namp_memory_copy_async. bytes of it, 1 or more, zeroed. */
NAMP_API int32_t namp_memory_allocate_host(void** pointer, namp_device* device, int64_t bytes);

/* Gives it back, after all work of the device. Null is ignored; a pointer that is not from
   namp_memory_allocate_host of this device is an error. */
NAMP_API int32_t namp_memory_free_host(namp_device* device, void* pointer);

/* Gives the cache back to the system. */
NAMP_API int32_t namp_memory_trim(namp_device* device);

/* Copies bytes; the direction is a namp_copy_direction. When the call returns, memory of the host has
 * been read, or written: it is the caller's again, pinned or not. A copy to the device is then still
 * to come, in the order of the stream. */
NAMP_API int32_t namp_memory_copy(namp_device* device, void* destination, const void* source,
                                  int64_t bytes, int32_t direction, namp_stream stream);

/* The same between the device and memory of namp_memory_allocate_host of this device, which is read
 * or written when it is the copy's turn on the stream: leave it alone until an event that was
 * recorded after this call is reached. Any other memory of the host is an error
 * (NAMP_ERROR_INVALID_ARGUMENT). On the CPU the copy is made at once. */
NAMP_API int32_t namp_memory_copy_async(namp_device* device, void* destination, const void* source,
                                        int64_t bytes, int32_t direction, namp_stream stream);

/* Sets every byte to the low byte of value. */
NAMP_API int32_t namp_memory_fill(namp_device* device, void* destination, int32_t value,
                                  int64_t bytes, namp_stream stream);

/* Bytes and counts. statistics->struct_size is set by the caller. */
NAMP_API int32_t namp_memory_get_statistics(namp_memory_statistics* statistics,
                                            namp_device* device);

/* Sets every peak to what is in use now. */
NAMP_API int32_t namp_memory_reset_peak(namp_device* device);

/* ---- Graphs ----
 *
 * A graph is the work of many calls, captured once and then launched as a whole, any number of times,
 * by one call of the driver (a CUDA graph). Between namp_graph_begin and namp_graph_end the calling
 * thread's work on the stream is not done, but goes into the graph; so does its work on streams that
 * wait for an event of that stream, if the stream then waits for them. Other threads may go on with
 * the device, also on the stream.
 *
 * A graph repeats its calls with the pointers and numbers of the capture. Numbers that differ from
 * launch to launch lie on the device: tensors, the states of scaler and optimizer,
 * namp_optimizer_rows, namp_dropout's offset_base.
 *
 * A call that waits (for a stream, an event, a copy from or to the host), asks for an event, or needs
 * something of the driver or the system that is not there yet, cannot be captured:
 * NAMP_ERROR_CAPTURE. Make the same calls once before, uncaptured: then kernels are loaded, cuBLAS is
 * found, workspaces are large enough, and the cache has the memory that is allocated during the
 * capture. After such a call there will be no graph; namp_graph_end says why.
 *
 * Memory that is allocated during the capture is the graph's: freed, it is kept for the graph's
 * launches, until the graph is destroyed. So are tables, and the library's own workspaces. Other
 * memory that the capture uses, pinned memory of the host, and the stream must live as long as the
 * graph; the library does not check that.
 */

/* Begins a capture on a stream of the device by the calling thread, which may capture one graph at a
 * time. NAMP_ERROR_UNSUPPORTED on the CPU; NAMP_ERROR_CAPTURE while a profile is measured. */
NAMP_API int32_t namp_graph_begin(namp_device* device, namp_stream stream);

/* Ends the capture of the calling thread, in any case, and makes the graph. NAMP_ERROR_CAPTURE, with
 * the message of the first call that could not be captured, if there was one, or if a stream that
 * became part of the capture is not waited for. */
NAMP_API int32_t namp_graph_end(namp_graph** graph, namp_device* device);

/* Ends the capture of the calling thread without a graph. */
NAMP_API int32_t namp_graph_cancel(namp_device* device);

/* Puts the graph's work on the stream that it was captured on. One launch of a graph follows
 * another. */
NAMP_API int32_t namp_graph_launch(namp_graph* graph);

/* Destroys a graph; launches that are on the stream are still done. Null is ignored. */
NAMP_API int32_t namp_graph_destroy(namp_graph* graph);

/* ---- Tensor tables ----
 *
 * Multi-tensor kernels work over a table of N tensors (rows) and a few columns. A row has a number
 * of elements. A column gives every row a pointer and a dtype: gradients, parameters, moments,
 * compute copies. A table is registered once, and used every step in one call (one launch) for any
 * number of tensors. Work is cut into chunks of equal size within tensors. Partial results are kept
 * by chunk and combined in an order that depends on their number only, so that sums do not depend
 * on threads, SIMD target or grid.
 */

/* One cell of a table. A null pointer means that the tensor has no data in this column (if the
 * function allows it). */
typedef struct namp_cell {
  void* data;
  /* device pointer to the scale of this tensor, one float32 that multiplies the value of every
     code; null for 1. For codes in blocks it points to a scale for each block, [count /
     NAMP_BLOCK_ELEMENTS, rounded up], must not be null, and is written where the codes are. Only
     for a dtype that may have a scale */
  const float* scale;
  int32_t dtype; /* namp_dtype */
  int32_t reserved;
} namp_cell;

/* The tensors to register. The description is copied; the tensors' memory is not, and must outlive
 * the table's use. */
typedef struct namp_table_description {
  uint32_t struct_size;
  int32_t column_count;   /* 1 to NAMP_TABLE_MAX_COLUMNS */
  int64_t tensor_count;   /* 0 or more */
  const int64_t* counts;  /* [tensor_count] elements of each tensor, 0 or more */
  const namp_cell* cells; /* [tensor_count * column_count], row-major: cell of tensor t in column c
                             at t * column_count + c */
  const int32_t*
      groups; /* [tensor_count] index of each tensor's parameter group, or null: all in group 0 */
} namp_table_description;

/* The findings of a check of one tensor's gradient, which is still scaled. The table keeps one for
 * each tensor, on the device. */
typedef struct namp_overflow_facts {
  int64_t non_finite_count;       /* elements that are infinite or NaN */
  int64_t first_non_finite_index; /* index of the first such element, or -1 */
  float largest_magnitude;        /* of the finite elements; 0 if there are none */
  int32_t reserved;
} namp_overflow_facts;

/* Registers a table. It may be used on any stream at once. Pointers are checked for alignment and
   dtype; their memory is not read. */
NAMP_API int32_t namp_table_create(namp_table** table, namp_device* device,
                                   const namp_table_description* description);

/* Destroys a table. Work with it that is already on streams is still done. Null is ignored. */
NAMP_API int32_t namp_table_destroy(namp_table* table);

/* Changes the cells of one column ([tensor_count]) in the order of the stream, for example for
   gradients that moved. The counts stay. */
NAMP_API int32_t namp_table_set_column(namp_table* table, int32_t column, const namp_cell* cells,
                                       namp_stream stream);

/* The table's namp_overflow_facts on the device, [tensor_count], written by namp_unscale_check.
 * Valid while the table lives. */
NAMP_API int32_t namp_table_get_facts(namp_overflow_facts** facts, namp_table* table);

/* Reads and writes the columns of a table, of any dtype, as a kernel does, in the same chunks on the
 * same threads, and computes nothing. The time of a kernel is compared with its time. accesses is a
 * host array [column_count] of namp_access; null cells are left out. A column that is read and
 * written back is complemented, because hardware may skip a write that changes nothing; a second
 * call restores it. *checksum (on the device; may be null) receives the exclusive or of the bits of
 * all elements that were read, each as the low bits of 32. */
NAMP_API int32_t namp_table_touch(uint32_t* checksum, namp_table* table, const int32_t* accesses,
                                  namp_stream stream);

/* ---- Loss scale ----
 *
 * The state is on the device, in small structs: one for the scaler, and one for each optimizer that
 * it serves. The caller allocates their memory (namp_memory_allocate) and sets it by
 * namp_memory_copy. The host never waits for them.
 */

/* The scaler's state, on the device. */
typedef struct namp_scaler_state {
  float scale;               /* the factor of the loss */
  float inverse_scale;       /* (float)(1 / (double)scale), as PyTorch computes it */
  int32_t growth_tracker;    /* consecutive good steps since the last change; from -growth_delay on
                                after the start, which the caller sets, and after an overflow */
  int32_t hysteresis_left;   /* overflows still tolerated before the scale backs off */
  int64_t steps;             /* updates so far */
  int64_t skipped_steps;     /* number of them that saw an overflow */
  int32_t consecutive_skips; /* overflows since the last good update */
  int32_t found_inf;         /* 1 if the last update saw an overflow, else 0 */
  int64_t stuck_steps; /* overflows with the scale at its minimum and no tolerance left: the scale
                          cannot back off any more */
  int64_t bad_indices; /* count of the namp_index_fact at the last update */
} namp_scaler_state;

/* How the scale changes (namp_scaler_update). All zeros is not a valid setting. The managed layer
 * has presets. */
typedef struct namp_scaler_options {
  uint32_t struct_size;
  int32_t growth_interval; /* good steps before the scale grows; 1 or more. Grows when tracker + 1
                              >= interval */
  double growth_factor;    /* above 1; or exactly 1 to never grow */
  double backoff_factor;   /* in (0, 1]; 1 for a static scale, which still skips */
  float minimum_scale;     /* the scale never backs off below it; 0 for no floor (PyTorch) */
  float maximum_scale; /* the scale never grows above it; +infinity or FLT_MAX for none. Never grows
                          to infinity */
  int32_t hysteresis;  /* overflows before a backoff; 1 for every overflow */
  int32_t hysteresis_refill; /* 0: restored only when the scale grows (Megatron, DeepSpeed); 1: by
                                every good step (Apex) */
  int32_t growth_delay; /* good steps beyond the interval that the first growth after an overflow
                           needs; 0 or more (DeepSpeed from 0.17.1 on: 1) */
  int32_t reserved;
  const namp_index_fact* bad_index; /* on the device, or null: the fact that the losses and
                                       embeddings of the step write; see namp_scaler_update */
} namp_scaler_options;

/* PyTorch's: a growth by 2 every 2,000 steps, a backoff by 0.5, no limits. */
#define NAMP_SCALER_OPTIONS_INIT \
  { sizeof(namp_scaler_options), 2000, 2.0, 0.5, 0.0f, 3.402823466e+38f, 1, 0, 0, 0, 0 }

/* An optimizer's state, on the device: the findings of a step, and counts. All zeros is a valid
 * start. */
typedef struct namp_optimizer_state {
  int64_t step; /* steps applied; a skipped one does not count. Each tensor's own count, from which
                   its bias corrections are computed, is in namp_optimizer_args' steps */
  int32_t found_inf;   /* not 0: the gradients must not be applied */
  int32_t unscaled;    /* 1: the gradients in memory are already unscaled (namp_unscale_check wrote
                          them) */
  float gradient_norm; /* global L2 norm of the unscaled gradients, before clipping; NaN or infinite
                          on overflow */
  float clip_coefficient;   /* factor of the gradients in the last namp_optimizer_step; 1 without
                               clipping */
  int64_t non_finite_count; /* non-finite elements, over all tensors */
  int64_t first_non_finite_tensor; /* index in the table of the first tensor with a non-finite
                                      element; -1 if none */
} namp_optimizer_state;

/* The scale's update after a step (one thread's work on the device), from the found_inf of all the
 * scaler's optimizers (found_inf[i] not 0 counts as an overflow, ORed):
 *
 *   overflow:  tracker = -growth_delay; hysteresis_left -= 1, and when none is left
 *                scale = max(minimum, (float)((double)scale * backoff))
 *   good:      tracker += 1, and when tracker >= interval
 *                tracker = 0; hysteresis_left = hysteresis;
 *                scale = (float)((double)scale * growth) if that is finite and no more than the maximum
 *
 * If options->bad_index received a label or index out of range in the step, an overflow is not due
 * to the scale: it counts as a skipped step, and nothing else changes. Counters stay at their
 * largest value.
 *
 * With minimum 0, maximum infinite, hysteresis 1 and delay 0 it gives the bits of
 * torch._amp_update_scale_ (PyTorch 2.10, amp/AmpKernels) from any tracker below the interval;
 * PyTorch tests whether the tracker equals the interval, and never grows once it is beyond. states
 * is a host array of count device pointers, 1 to NAMP_SCALER_MAX_STATES. */
NAMP_API int32_t namp_scaler_update(namp_device* device, namp_scaler_state* scaler,
                                    namp_optimizer_state* const* states, int32_t count,
                                    const namp_scaler_options* options, namp_stream stream);

/* ---- Family 1: fused cast ---- */

/* How to cast. */
typedef struct namp_cast_options {
  uint32_t struct_size;
  int32_t rounding; /* namp_rounding; matters when narrowing */
  int32_t flags;    /* namp_cast_flags */
  int32_t reserved;
  const float*
      scale; /* device pointer to a factor, applied in float32 before narrowing; or null for none */
  uint64_t seed;   /* stochastic rounding: key of the generator */
  uint64_t offset; /* stochastic rounding: offset added to the element's index; advance it by the
                      number of elements cast so far */
} namp_cast_options;

/* Converts count elements between float32, float16, bfloat16 and the 8-bit formats, from any to
   any, also to the same. The value is multiplied by the source's scale, then by the options'
   factor, and divided by the destination's scale. Each of these is computed in float32 and rounded,
   before the one rounding to the destination. options may be null for the defaults. Stochastic, i from
   offset: 8 bits draw word i % 4 of Philox4x32-10 block i / 4; 16 the half i % 2, low first, of word
   i % 8 / 2 of block i / 8. Codes in blocks: from and to float32 alone, without options. */
NAMP_API int32_t namp_cast(namp_device* device, const namp_cell* destination,
                           const namp_cell* source, int64_t count, const namp_cast_options* options,
                           namp_stream stream);

/* Converts every tensor of a table, from one column to another. Rows with a null destination are
   left out. Stochastic element indices continue over the tensors in order. */
NAMP_API int32_t namp_cast_table(namp_table* table, int32_t destination_column,
                                 int32_t source_column, const namp_cast_options* options,
                                 namp_stream stream);

/* ---- Family 2: scaled backward ---- */

/* Softmax cross-entropy over rows of logits, in float32 for every dtype. Forward and backward in
   one pass over the logits: the gradient is (softmax - onehot) * weight, rounded once, where weight
   = upstream * scale / number of counted rows (mean) or upstream * scale (sum).

   With class weights w and label smoothing e over c classes, as PyTorch's cross_entropy (Szegedy et al.
   2016, "Rethinking the Inception Architecture for Computer Vision", section 7), a row's loss is
     -(1 - e) w[label] log p[label] - e / c * sum over k of w[k] log p[k]
   and the mean divides the sum by the sum of w[label] over counted rows. */
typedef struct namp_cross_entropy_args {
  uint32_t struct_size;
  int32_t logits_dtype;
  const void* logits;    /* [rows, classes], row_stride apart */
  const int32_t* labels; /* [rows]; a label that is neither in [0, classes) nor ignore_index makes
                            its row's gradient NaN, and the loss NAMP_BAD_LABEL_LOSS */
  int64_t rows;
  int64_t classes;      /* 1 or more */
  int32_t ignore_index; /* rows with this label are ignored; PyTorch's default is -100 */
  int32_t mean;         /* 1: mean over counted rows; 0: sum */
  float* loss; /* device float that receives the unscaled loss; may be null. NaN if mean and every
                  row is ignored, or their weights add up to 0 */
  void*
      gradient; /* as the logits, whose memory it may be if it has their dtype; or null to compute only the loss */
  int32_t gradient_dtype;
  float label_smoothing;      /* 0 to 1 */
  const float* scale;         /* device pointer to the loss scale, or null for 1 */
  const float* upstream;      /* device pointer to the gradient of the loss, or null for 1 */
  namp_index_fact* bad_label; /* on the device; receives a label out of range; or null */
  /* [rows, 2], or null: of each row with a class as its label the largest logit, and the sum of
     exp(logit - that). A call without a gradient writes them; one with a gradient reads those of the
     call before, over the same logits and labels, and the logits once instead of three times. The
     gradient has the same bits. */
  float* row_sums;
  /* Elements from a row of logits to the next, and of the gradient likewise: classes or more; 0:
     classes. What a row of the gradient has behind its classes becomes 0, so that a product may go over
     whole rows: rows of 50,264 elements for 50,257 classes begin at multiples of 16 bytes. */
  int64_t row_stride;
  const float* class_weights; /* [classes] on the device, or null for ones */
} namp_cross_entropy_args;

/* See namp_cross_entropy_args. */
NAMP_API int32_t namp_cross_entropy(namp_device* device, const namp_cross_entropy_args* args,
                                    namp_stream stream);

/* Mean squared error in float32: loss = mean or sum of (prediction - target)^2; gradient = 2
 * (prediction - target) * weight. namp_element_loss has it too, with more losses. */
typedef struct namp_mse_args {
  uint32_t struct_size;
  int32_t prediction_dtype;
  const void* prediction; /* [count] */
  const void* target;     /* [count] */
  int32_t target_dtype;
  int32_t mean; /* 1: mean; 0: sum */
  int64_t count;
  float* loss;    /* device float that receives the unscaled loss; may be null. NaN for the mean of
                     no elements */
  void* gradient; /* [count], or null */
  int32_t gradient_dtype;
  int32_t reserved;
  const float* scale; /* as in namp_cross_entropy_args */
  const float* upstream;
} namp_mse_args;

/* See namp_mse_args. */
NAMP_API int32_t namp_mse(namp_device* device, const namp_mse_args* args, namp_stream stream);

/* Element-wise losses of a prediction x and a target t, d = x - t. */
typedef enum namp_loss_kind {
  NAMP_LOSS_MSE = 1, /* d^2 */
  /* d^2 / (2 beta) where |d| < beta, else |d| - beta / 2, as PyTorch's smooth_l1_loss (Girshick 2015,
     "Fast R-CNN", equation 3, with beta 1). Times beta it is Huber's loss. |d| with beta 0 */
  NAMP_LOSS_SMOOTH_L1 = 2,
  /* -(w t log s(x) + (1 - t) log s(-x)), s(x) = 1 / (1 + e^-x), as PyTorch's
     binary_cross_entropy_with_logits, w being its pos_weight: x are logits, t probabilities */
  NAMP_LOSS_BINARY_CROSS_ENTROPY = 3
} namp_loss_kind;

/* An element-wise loss in float32, and its gradient in the same pass: the mean or sum of the elements'
 * losses; the gradient is an element's slope * weight, where weight is that of namp_cross_entropy_args
 * with count rows. Any dtypes. */
typedef struct namp_element_loss_args {
  uint32_t struct_size;
  int32_t kind; /* namp_loss_kind */
  int32_t prediction_dtype;
  int32_t target_dtype;
  const void* prediction; /* [count] */
  const void* target;     /* [count] */
  int64_t count;
  int32_t mean; /* 1: mean; 0: sum */
  int32_t gradient_dtype;
  float* loss;    /* device float that receives the unscaled loss; may be null. NaN for the mean of
                         no elements */
  void* gradient; /* [count], or null; may be the prediction or the target if the dtypes agree */
  int32_t for_target; /* 1: the gradient is that of the target; 0: of the prediction */
  float beta;         /* of SMOOTH_L1: finite, 0 or more */
  const float*
      positive_weight;   /* of BINARY_CROSS_ENTROPY: w of element i is [i % weight_period], on
                                   the device; or null for ones */
  int64_t weight_period; /* divides count */
  const float* scale;    /* as in namp_cross_entropy_args */
  const float* upstream;
} namp_element_loss_args;

/* See namp_element_loss_args. */
NAMP_API int32_t namp_element_loss(namp_device* device, const namp_element_loss_args* args,
                                   namp_stream stream);

/* A moving average over all tensors of a table, in float32: average = fma(value - average, weight, average),
 * and the value itself where weight is 1. With weight 1 - decay it is exponential (Polyak and Juditsky 1992;
 * torch.optim.swa_utils' get_ema_multi_avg_fn), with weight 1 / n the mean of n values (stochastic weight
 * averaging). Averages are float32, values float32, float16 or bfloat16; tensors with a null average are left
 * out. weight is from 0 to 1. */
NAMP_API int32_t namp_average_table(namp_table* table, int32_t average_column, int32_t value_column,
                                    float weight, namp_stream stream);

/* destination = source * *factor in float32, rounded once: the plain scale of a gradient. factor is
 * a device pointer. */
NAMP_API int32_t namp_scale(namp_device* device, const namp_cell* destination,
                            const namp_cell* source, int64_t count, const float* factor,
                            namp_stream stream);

/* ---- Family 3: unscale and check ---- */

/* Reads all gradients of a table once (column gradient_column; float32, float16, bfloat16 or FP8,
 * in any mix; null cells are left out). A gradient of FP8 is its codes' values times its cell's
 * scale, as namp_cast_table makes them float32, and has that one's findings. It writes
 * namp_overflow_facts for each tensor, and found_inf, first_non_finite_tensor, non_finite_count and
 * gradient_norm of *state. reset 1 begins a step: all of them start anew, and unscaled is 0. reset
 * 0 adds to the findings of an earlier call of the step (an optimizer of several tables; tensor
 * indices are each table's own). Finiteness is tested on the scaled value, before multiplying; an
 * inverse scale that is not finite (a scale of 2^-128 or less) counts as an overflow too, so that
 * the following step is skipped and applies no NaN from the scale. With write_column >= 0 the
 * unscaled values (g times inverse_scale in float32, rounded once to that column's dtype; unchanged
 * bits where inverse_scale is 1 and the dtypes agree) are written there (it may be gradient_column:
 * in place), for any found_inf, and state->unscaled becomes 1. Where a column has FP8,
 * namp_cast_table writes it, with the inverse scale as factor, in a pass of its own. With -1
 * nothing is written, and namp_optimizer_step unscales in its own pass. The norm: squares of the
 * unscaled values, added by fused multiply-adds in float32 in 1,024 lanes for each chunk, combined
 * in float64, in one fixed order. A null scaler means an inverse scale of 1. */
NAMP_API int32_t namp_unscale_check(namp_table* table, int32_t gradient_column,
                                    int32_t write_column, const namp_scaler_state* scaler,
                                    namp_optimizer_state* state, int32_t reset, namp_stream stream);

/* ---- Family 4: optimizers in float32 ---- */

/* How a step updates a parameter from its gradient; the formulas are at namp_optimizer_step. */
typedef enum namp_rule {
  NAMP_RULE_ADAM =
      1, /* Adam, AdamW, AMSGrad; state: exp_avg, exp_avg_sq, max_exp_avg_sq (with amsgrad) */
  NAMP_RULE_SGD = 2,    /* SGD; state: momentum_buffer (with momentum) */
  NAMP_RULE_LION = 3,   /* Lion; state: exp_avg */
  NAMP_RULE_RMSPROP = 4 /* RMSprop; state: square_avg, momentum_buffer (with momentum) */
} namp_rule;

/* Largest number of columns of state of a rule. */
#define NAMP_MAX_STATE_COLUMNS 3

/* The table's columns by meaning. They differ; one that is not used is -1. */
typedef struct namp_optimizer_columns {
  /* Required. float32; or bfloat16 with a remainder, which are the bits of a float32 master; or
     float16 or bfloat16 alone, without a master: the step rounds it (weight_rounding). To nearest, a
     change below half of a parameter's last place is lost at every step; rounded stochastically,
     parameters move by the right amount on average */
  int32_t parameter;
  /* float32, float16, bfloat16 or FP8 (times its cell's scale), required; a null cell leaves the tensor
     out of the step */
  int32_t gradient;
  /* float32, bfloat16 (rounded to nearest) or 8-bit codes in blocks, in any mix: the rule's columns
     of state in its order. A valid start is all zeros; of codes in blocks, scales of zero, with any
     codes */
  int32_t state[NAMP_MAX_STATE_COLUMNS];
  int32_t compute_copy; /* float16 or bfloat16 (float32 too), or -1; null cells are left out */
  /* NAMP_INT16, or -1; null for tensors without one. A master's bits are the parameter's, as upper
     half, plus the remainder: the parameter is the nearest bfloat16, of two as near the one away
     from zero, and serves as compute copy. The remainder of a NaN is 0. A valid start is zeros:
     masters equal to the parameters */
  int32_t remainder;
} namp_optimizer_columns;

/* Hyperparameters of one parameter group. Those that the rule does not have are 0. */
typedef struct namp_optimizer_group {
  double learning_rate;
  double beta1;
  double beta2; /* RMSprop's alpha */
  double epsilon;
  double weight_decay;
  int32_t decoupled; /* 1: p -= lr * wd * p before the update (AdamW); 0: g += wd * p (L2) */
  int32_t amsgrad;
  int32_t maximize; /* 1: maximizes the loss */
  int32_t nesterov; /* 1: Nesterov momentum */
  double momentum;
  double dampening;
} namp_optimizer_group;

/* Hyperparameters on the device, for steps of a graph: each launch reads them anew. Behind the struct
 * lie the rows, namp_optimizer_group [row_count, group_count]. namp_optimizer_write_rows writes
 * both. */
typedef struct namp_optimizer_rows {
  int64_t first_step; /* as in namp_optimizer_args */
  int32_t row_count;  /* 1 or more */
  int32_t reserved;
} namp_optimizer_rows;

/* One step of an optimizer. */
typedef struct namp_optimizer_args {
  uint32_t struct_size;
  int32_t rule;                       /* namp_rule */
  const namp_optimizer_group* groups; /* host array [group_count], copied by the call */
  int32_t group_count;                /* 1 or more; a tensor's group index is below it */
  int32_t weight_rounding; /* namp_rounding of compute copies, and of parameters in half precision
                              that have no remainder */
  namp_optimizer_columns columns;
  float max_norm;       /* clip to this global norm; 0 for no clipping. Needs namp_unscale_check's
                           gradient_norm */
  int32_t advance_step; /* 1; but 0 for every table of a step before the last */
  int32_t check_gradients; /* 1: begins with namp_unscale_check(table, columns.gradient, -1, scaler,
                              state, 1, stream), so that a step over one table is one call; 0: state
                              holds the findings of an earlier check, or zeros to step unchecked */
  uint64_t seed; /* stochastic rounding, as in namp_cast_table; state->step + 1 is the upper half of
                    the counter */
  int64_t* steps; /* device array [tensor_count]: number of updates of each tensor, 0 at first. The
                     step adds 1 for each tensor that has a gradient, if it is applied */
  /* Hyperparameters that depend on the number of applied steps, such as a learning-rate schedule.
     Only the device knows that number while the host does not wait. groups is then [row_count,
     group_count], and the step takes row state->step - first_step, or the first or last row if that
     is out of range. 0 rows count as 1. */
  int64_t first_step;
  int32_t row_count;
  int32_t reserved_rows;
  /* On the device, or null. The step then takes first_step, row_count and the rows from there when it
     is done; groups must have as many columns of state. */
  const namp_optimizer_rows* rows;
} namp_optimizer_args;

/* A step of one table that checks, with column 0 the parameters and column 1 the gradients: set rule,
 * groups, group_count, columns.state and steps. */
#define NAMP_OPTIMIZER_ARGS_INIT                                                                   \
  {                                                                                                \
    sizeof(namp_optimizer_args), 0, 0, 0, 0, {0, 1, {-1, -1, -1}, -1, -1}, 0.0f, 1, 1, 0, 0, 0, 0, \
        0, 0                                                                                       \
  }

/* One fused pass of a rule over all tensors of a table, in float32. Only the multiply-adds written
 * as fma are rounded once; nothing else is contracted. Before the rule:
 *
 *   g = gradient [* inverse_scale, unless state->unscaled] [* clip_coefficient, if max_norm > 0]
 *   g = -g                                                   if maximize
 *   p = p * (1 - lr * wd)                                    if decoupled, else  g = fma(p, wd, g)
 *
 * and after it the parameter and the compute copy are p, each rounded to its dtype. The rules:
 *
 * Adam, in PyTorch's order of operations (torch/optim/adam.py, _single_tensor_adam) and with the
 * bits of its fused kernel:
 *   m = fma(g - m, 1 - beta1, m)
 *   v = fma((1 - beta2) * g, g, v * beta2)
 *   vmax = max(vmax, v), which replaces v below              if amsgrad
 *   p = p - ((lr / (1 - beta1^t)) * m) / (sqrt(v) / sqrt(1 - beta2^t) + eps)
 *
 * SGD, in PyTorch's order of operations (torch/optim/sgd.py, _single_tensor_sgd); without momentum d
 * is g:
 *   b = fma(g, 1 - dampening, b * momentum), and in the tensor's first step  b = g
 *   d = b                                                    if nesterov, d = fma(b, momentum, g)
 *   p = fma(d, -lr, p)
 *
 * Lion (Chen et al. 2023, program 1), the sign of 0 being 0:
 *   p = p - lr * sign(fma(g, 1 - beta1, m * beta1))
 *   m = fma(g, 1 - beta2, m * beta2)
 *
 * RMSprop (Hinton 2012), in PyTorch's order of operations (torch/optim/rmsprop.py), not centered;
 * without momentum b is d:
 *   v = fma((1 - alpha) * g, g, v * alpha)
 *   d = g / (sqrt(v) + eps)
 *   b = fma(b, momentum, d)
 *   p = fma(b, -lr, p)
 *
 * with clip_coefficient = min(1, max_norm / (gradient_norm + 1e-6)) as
 * torch.nn.utils.clip_grad_norm_, t = the tensor's own steps + 1 (as torch.optim counts: a tensor
 * that had no gradient so far is at its first update), beta^t by repeated squaring in float64, and
 * all values that are the same for every element computed in float64 and rounded to float32 once.
 * If state->found_inf is not 0, nothing is written and no count advances. At the end of an applied
 * step the steps of the tensors with a gradient advance, and with advance_step 1 state->step
 * advances once (an optimizer of several tables passes 0 for all but its last). A null scaler means
 * that the gradients are not scaled. If a GPU's driver accepts the launch of check_gradients and
 * refuses the next, state holds the findings, and nothing else has changed. */
NAMP_API int32_t namp_optimizer_step(namp_table* table, const namp_optimizer_args* args,
                                     const namp_scaler_state* scaler, namp_optimizer_state* state,
                                     namp_stream stream);

/* Writes args->groups, row_count and first_step to rows on the device, in the order of the stream, for
 * the steps that take them from there (args->rows). They are checked as by namp_optimizer_step. rows
 * is aligned to 8 bytes, and has room for the struct and row_count * group_count groups (0 rows count
 * as 1). */
NAMP_API int32_t namp_optimizer_write_rows(namp_optimizer_rows* rows, namp_table* table,
                                           const namp_optimizer_args* args, namp_stream stream);

/* ---- Operators of networks ----
 *
 * Operators that training needs beside the four families. dtype arguments are float32, float16 or
 * bfloat16; arithmetic and accumulation are float32 (float16 GEMM and convolution widen, multiply
 * and accumulate in float32 and round once, as tensor cores do). Backends need not give the same
 * bits; on one machine, with one number of threads, the same call gives the same bits.
 */

/* C = alpha * op(A) op(B) + beta * C [+ bias]: row-major, op(A) [m, k], op(B) [k, n], C [m, n];
 * batch independent products. */
typedef struct namp_gemm_args {
  uint32_t struct_size;
  int32_t transpose_a; /* 1: A is stored [k, m] */
  int32_t transpose_b; /* 1: B is stored [n, k] */
  int32_t a_dtype;     /* A and B have one dtype */
  int32_t b_dtype;
  int32_t c_dtype; /* that dtype, or float32 */
  int64_t m, n, k;
  int64_t batch; /* 1 or more; 0 counts as 1 */
  const void* a;
  int64_t lda;      /* elements from one stored row to the next */
  int64_t stride_a; /* elements from one product's A to the next; 0: all share one A */
  const void* b;
  int64_t ldb;
  int64_t stride_b;
  void* c;
  int64_t ldc;
  int64_t stride_c;
  const void* bias; /* [n], or null */
  int32_t bias_dtype;
  float alpha;          /* 0 means 0, not "unset" */
  float beta;           /* with 0, C is not read */
  int32_t activation;   /* applied after the bias: NAMP_ACTIVATION_NONE to _GELU_TANH */
  void* pre_activation; /* [m, n] in c_dtype, ldc and stride_c: receives the activation's input; or
                           null */
  /* [m, n] in c_dtype, ldc and stride_c: what an activation_backward reads, the input of a GELU or
     the output of a ReLU; or null. Where it is given, the product is the gradient of the activation's
     output, and C is that of its input: alpha op(A) op(B) f'(kept). Then there is no bias, no
     pre_activation, and beta is 0. The product may be rounded to c_dtype on the way. */
  const void* activation_kept;
  /* [m] in c_dtype, or null: receives the sums of op(A)'s rows along k, in float32 and rounded once;
     alpha, beta and the activation do not touch them. With A = the gradient of a linear layer's output
     and C = that of its weight they are the gradient of its bias. Then A is stored transposed with lda
     m, and batch is 0 or 1. */
  void* row_sums;
} namp_gemm_args;

/* See namp_gemm_args. */
NAMP_API int32_t namp_gemm(namp_device* device, const namp_gemm_args* args, namp_stream stream);

/* 2-D convolution (cross-correlation, as PyTorch), NCHW, weight [out_channels, in_channels /
   groups, kernel_h, kernel_w]. All three directions use this struct; the comment of each names the
   pointers that it reads and writes. All tensors have one dtype, except that weight_gradient and
   bias_gradient may be float32. */
typedef struct namp_conv2d_args {
  uint32_t struct_size;
  int32_t dtype;
  int64_t batch, in_channels, in_h, in_w;
  int64_t out_channels, kernel_h, kernel_w;
  int64_t stride_h, stride_w, pad_h, pad_w, dilation_h,
      dilation_w;    /* strides and dilations 1 or more */
  int64_t groups;    /* 1 or more */
  const void* input; /* [batch, in_channels, in_h, in_w] */
  const void* weight;
  const void* bias; /* [out_channels] of dtype, or null */
  void* output; /* [batch, out_channels, out_h, out_w], out = (in + 2 pad - dilation (kernel - 1) -
                   1) / stride + 1 */
  const void* output_gradient; /* as output */
  void* input_gradient;        /* as input */
  void* weight_gradient;       /* as weight; overwritten */
  void* bias_gradient;         /* [out_channels], or null; overwritten */
  int32_t weight_gradient_dtype;
  int32_t bias_gradient_dtype;
  int32_t activation; /* forward: applied after the bias; NONE or RELU */
  int32_t reserved;
} namp_conv2d_args;

/* output from input, weight, bias. */
NAMP_API int32_t namp_conv2d_forward(namp_device* device, const namp_conv2d_args* args,
                                     namp_stream stream);

/* input_gradient from output_gradient, weight. */
NAMP_API int32_t namp_conv2d_backward_data(namp_device* device, const namp_conv2d_args* args,
                                           namp_stream stream);

/* weight_gradient and bias_gradient from input, output_gradient. */
NAMP_API int32_t namp_conv2d_backward_weights(namp_device* device, const namp_conv2d_args* args,
                                              namp_stream stream);

/* 2-D pooling over NCHW planes. */
typedef struct namp_pool2d_args {
  uint32_t struct_size;
  int32_t dtype;
  int32_t pooling; /* namp_pooling */
  int32_t reserved;
  int64_t planes, in_h, in_w; /* planes = batch * channels */
  int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h,
      pad_w;         /* pad at most half the kernel; kernel_h * kernel_w at most 256 for max */
  const void* input; /* [planes, in_h, in_w] */
  void* output;      /* [planes, out_h, out_w], out = (in + 2 pad - kernel) / stride + 1 */
  uint8_t* indices;  /* max: [planes, out_h, out_w], position of the maximum in its window,
                        row-major; a NaN counts as the largest; the first of equals */
  const void* output_gradient; /* as output */
  void* input_gradient;        /* as input; overwritten */
} namp_pool2d_args;

/* output (and indices, for max, unless null) from input. */
NAMP_API int32_t namp_pool2d_forward(namp_device* device, const namp_pool2d_args* args,
                                     namp_stream stream);

/* input_gradient from output_gradient (and indices, for max). */
NAMP_API int32_t namp_pool2d_backward(namp_device* device, const namp_pool2d_args* args,
                                      namp_stream stream);

/* Activation of count elements. */
typedef struct namp_activation_args {
  uint32_t struct_size;
  int32_t activation; /* namp_activation */
  int32_t dtype;
  int32_t reserved;
  int64_t count;
  const void* input; /* forward; backward of the GELUs and SiLU */
  void* output;      /* forward (may be input); the backward of ReLU, sigmoid and tanh reads it */
  const void* output_gradient;
  void* input_gradient; /* may be output_gradient */
} namp_activation_args;

/* output = f(input). */
NAMP_API int32_t namp_activation_forward(namp_device* device, const namp_activation_args* args,
                                         namp_stream stream);

/* input_gradient = output_gradient * f'(input), of ReLU, sigmoid and tanh by their output. */
NAMP_API int32_t namp_activation_backward(namp_device* device, const namp_activation_args* args,
                                          namp_stream stream);

/* Layer norm over rows (biased variance, as PyTorch); gamma and beta are float32:
     normal = (input - mean) * inverse_deviation; output = normal * gamma + beta.
   Backward needs normal. It computes it from input and mean. But if normalized is given, forward
   rounds normal to output_dtype and keeps it there, and backward reads it instead of input and
   mean: for a float32 input with a half-precision output that is half the memory. The gradients of
   input and gamma then have that rounding, a relative 2^-11 of each element of normal in float16
   and 2^-8 in bfloat16, which is also that of output_gradient. No element is beyond sqrt(width), so
   that float16 does not overflow.
   residual_gradient is what the input's gradient has from elsewhere, as from a residual connection:
   input_gradient is the sum, rounded once. It may be input_gradient.
   input_gradient_copy is that sum rounded to output_dtype, for an operator before the norm that
   computes in it. It is for a float32 input. */
typedef struct namp_layer_norm_args {
  uint32_t struct_size;
  int32_t input_dtype;
  int32_t output_dtype;
  float epsilon;
  int64_t rows, width;
  const void* input;           /* [rows, width] */
  const float* gamma;          /* [width], or null for ones */
  const float* beta;           /* [width], or null for zeros */
  void* output;                /* [rows, width] */
  void* normalized;            /* [rows, width] in output_dtype, or null */
  float* mean;                 /* [rows]; written by forward, read by backward; with normalized, or
                                  null */
  float* inverse_deviation;    /* [rows]; 1 / sqrt(variance + epsilon) */
  const void* output_gradient; /* [rows, width] in output_dtype */
  void* input_gradient;        /* [rows, width] in input_dtype; overwritten */
  const void* residual_gradient; /* [rows, width] in input_dtype, or null */
  void* input_gradient_copy;     /* [rows, width] in output_dtype, or null; overwritten */
  float* gamma_gradient;         /* [width], or null; overwritten */
  float* beta_gradient;          /* [width], or null; overwritten */
} namp_layer_norm_args;

NAMP_API int32_t namp_layer_norm_forward(namp_device* device, const namp_layer_norm_args* args,
                                         namp_stream stream);
NAMP_API int32_t namp_layer_norm_backward(namp_device* device, const namp_layer_norm_args* args,
                                          namp_stream stream);

/* Root mean square norm over the last dimension (Zhang and Sennrich 2019): y = x / sqrt(mean(x^2) +
 * epsilon) * gamma. Arithmetic in float32. Backward reads input, gamma, inverse_rms, output_gradient
 * and residual_gradient, and writes input_gradient_copy, as layer norm's; input_gradient may be
 * output_gradient if the dtypes agree, or residual_gradient. */
typedef struct namp_rms_norm_args {
  uint32_t struct_size;
  int32_t input_dtype;
  int32_t output_dtype;
  float epsilon; /* finite, 0 or more */
  int64_t rows;
  int64_t width;               /* 1 or more */
  const void* input;           /* [rows, width] */
  const float* gamma;          /* [width], or null for ones */
  void* output;                /* [rows, width] */
  float* inverse_rms;          /* [rows]; 1 / sqrt(mean(x^2) + epsilon); written by forward, read by
                                  backward */
  const void* output_gradient; /* [rows, width] in output_dtype */
  void* input_gradient;        /* [rows, width] in input_dtype; overwritten */
  const void* residual_gradient; /* [rows, width] in input_dtype, or null */
  void* input_gradient_copy;     /* [rows, width] in output_dtype, or null; overwritten */
  float* gamma_gradient;         /* [width], or null; overwritten */
} namp_rms_norm_args;

NAMP_API int32_t namp_rms_norm_forward(namp_device* device, const namp_rms_norm_args* args,
                                       namp_stream stream);
NAMP_API int32_t namp_rms_norm_backward(namp_device* device, const namp_rms_norm_args* args,
                                        namp_stream stream);

/* Batch norm over [batch, channels, inner] (inner = height * width); parameters and statistics are
 * float32. */
typedef struct namp_batch_norm_args {
  uint32_t struct_size;
  int32_t dtype;    /* of input, output and their gradients */
  int32_t training; /* 1: uses the statistics of this batch, and updates the running ones; 0: uses
                       the running statistics */
  float epsilon;
  float momentum; /* running = (1 - momentum) * running + momentum * new, variance unbiased, as in
                     PyTorch; but a channel whose mean or variance in this batch is not finite keeps
                     its running statistics */
  int32_t reserved;
  int64_t batch, channels, inner;
  const void* input;
  const float* gamma;  /* [channels], or null */
  const float* beta;   /* [channels], or null */
  float* running_mean; /* [channels], or null in training */
  float* running_variance;
  void* output;
  float* mean; /* [channels]; written by forward (in training), read by backward */
  float* inverse_deviation;
  const void* output_gradient;
  void* input_gradient;  /* overwritten */
  float* gamma_gradient; /* or null; overwritten */
  float* beta_gradient;
} namp_batch_norm_args;

NAMP_API int32_t namp_batch_norm_forward(namp_device* device, const namp_batch_norm_args* args,
                                         namp_stream stream);
NAMP_API int32_t namp_batch_norm_backward(namp_device* device, const namp_batch_norm_args* args,
                                          namp_stream stream);

/* Softmax over rows. */
typedef struct namp_softmax_args {
  uint32_t struct_size;
  int32_t input_dtype;
  int32_t output_dtype;
  int32_t reserved;
  int64_t rows, width;
  const void* input;
  void* output;                /* written by forward, read by backward */
  const void* output_gradient; /* output_dtype */
  void* input_gradient;        /* input_dtype; overwritten */
} namp_softmax_args;

NAMP_API int32_t namp_softmax_forward(namp_device* device, const namp_softmax_args* args,
                                      namp_stream stream);
NAMP_API int32_t namp_softmax_backward(namp_device* device, const namp_softmax_args* args,
                                       namp_stream stream);

/* Scaled dot-product attention: softmax(query keys^T * scale) values. The scores are not stored for
   backward. Element (b, h, t, d) of query lies at b * query_batch_stride + h * query_head_stride + t *
   query_time_stride + d, that of key and of value by the strides of key (a packed [batch, time, 3,
   heads, head_dim] projection needs no permute, and neither does a cache of keys that is longer than
   key_time); gradients use the strides of their tensors. output and its gradient have output_*
   strides. Query head h uses key head h / (heads / key_heads). With causal, the last query sees every
   key, and query i keys 0 to key_time - query_time + i: queries are the last of the keys' times.

   On the CPU a query's output has the same bits in each call that gives it the same keys, for any
   number of queries, as long as keys and values that it may not see are finite; so a key-value cache
   gives the bits of the whole sequence. On a GPU it has not: the tiles of keys differ.

   On a GPU's tensor cores (half precision, compute capability 8.0 and later, at most 128 dimensions)
   the softmax and the scores' gradients are rounded to the dtype before they are multiplied again. */
typedef struct namp_attention_args {
  uint32_t struct_size;
  int32_t dtype;
  int32_t causal; /* 1 needs query_time <= key_time */
  float scale;    /* of the scores; usually 1 / sqrt(head_dim) */
  int64_t batch;
  int64_t heads;      /* of query and output */
  int64_t key_heads;  /* of key and value; divides heads */
  int64_t query_time; /* of query and output */
  int64_t key_time;   /* of key and value, 1 or more where there are queries */
  int64_t head_dim;
  const void* query;
  const void* key;
  const void* value;
  int64_t query_batch_stride, query_head_stride, query_time_stride;
  int64_t key_batch_stride, key_head_stride, key_time_stride; /* of key and value */
  void* output;
  int64_t output_batch_stride, output_head_stride, output_time_stride;
  float* log_sum_exp; /* [batch, heads, query_time]; written by forward, read by backward */
  const void* output_gradient;
  void* query_gradient; /* overwritten, as the next two */
  void* key_gradient;
  void* value_gradient;
} namp_attention_args;

NAMP_API int32_t namp_attention_forward(namp_device* device, const namp_attention_args* args,
                                        namp_stream stream);

/* Reads query, key, value, output, log_sum_exp, output_gradient; writes the three gradients: of a key and
   a value over all queries that see it, of all heads that use its head, in their order. */
NAMP_API int32_t namp_attention_backward(namp_device* device, const namp_attention_args* args,
                                         namp_stream stream);

/* Looks up rows of a table by index. An index outside [0, vocabulary) makes its output row NaN, and
 * its gradient row is ignored. */
typedef struct namp_embedding_args {
  uint32_t struct_size;
  int32_t weight_dtype;
  int32_t output_dtype;
  int32_t reserved;
  int64_t count, vocabulary, width;
  const int32_t* indices;      /* [count] */
  const void* weight;          /* [vocabulary, width] */
  void* output;                /* [count, width] */
  const void* output_gradient; /* [count, width] in output_dtype */
  float* weight_gradient; /* [vocabulary, width] float32; overwritten, or with accumulate added to;
                             summed in the order of the indices */
  int64_t accumulate;
  namp_index_fact* bad_index; /* on the device; receives an index out of range from forward; or
                                 null */
} namp_embedding_args;

NAMP_API int32_t namp_embedding_forward(namp_device* device, const namp_embedding_args* args,
                                        namp_stream stream);
NAMP_API int32_t namp_embedding_backward(namp_device* device, const namp_embedding_args* args,
                                         namp_stream stream);

/* Inverted dropout: output = input * keep / (1 - probability), with keep drawn by Philox4x32-10
   from (seed, offset + index) as in namp_cast_options. offset_base is null, or a number on the device
   that is added to offset when the call is done: so each launch of a graph may draw other words. The
   backward pass is the same call over gradients: the mask is not stored, but drawn again. probability
   in [0, 1). */
NAMP_API int32_t namp_dropout(namp_device* device, void* output, const void* input, int32_t dtype,
                              int64_t count, float probability, uint64_t seed, uint64_t offset,
                              const uint64_t* offset_base, namp_stream stream);

/* out[i] = alpha * a[i] + beta * b[i % b_period], in float32, rounded once. b may be null (then
   beta is not used). b_period divides count; b_period == count is the plain sum. Any dtypes. out
   may be a or (with b_period == count) b. */
typedef struct namp_add_args {
  uint32_t struct_size;
  int32_t out_dtype;
  int32_t a_dtype;
  int32_t b_dtype;
  float alpha;
  float beta;
  int64_t count;
  int64_t b_period;
  void* out;
  const void* a;
  const void* b;
} namp_add_args;

NAMP_API int32_t namp_add(namp_device* device, const namp_add_args* args, namp_stream stream);

/* out[i] = a[i] * b[i % b_period], in float32, rounded once. b_period divides count; b_period ==
   count is the plain product. float32, float16 or bfloat16, one for all. out may be a or (with
   b_period == count) b. The gradient of a is the output's times b, that of b the output's times a,
   summed over the repetitions. */
typedef struct namp_multiply_args {
  uint32_t struct_size;
  int32_t dtype;
  int64_t count;
  int64_t b_period;
  void* out;
  const void* a;
  const void* b;
} namp_multiply_args;

NAMP_API int32_t namp_multiply(namp_device* device, const namp_multiply_args* args,
                               namp_stream stream);

/* Functions of namp_map, with two numbers p and q. A gradient's a is the gradient of the result. */
typedef enum namp_function {
  NAMP_FUNCTION_SCALE = 1,    /* p a */
  NAMP_FUNCTION_ADD = 2,      /* p a + q b */
  NAMP_FUNCTION_MULTIPLY = 3, /* a b; the gradient of EXP, b being its result */
  NAMP_FUNCTION_DIVIDE = 4,   /* p a / b; with p = 1 the gradient of LOG, b being its argument */
  NAMP_FUNCTION_EQUAL = 5,    /* 1 where a = b, else 0 */
  NAMP_FUNCTION_EXP = 6,      /* e^a */
  NAMP_FUNCTION_LOG = 7,      /* natural logarithm */
  NAMP_FUNCTION_SQRT = 8,
  NAMP_FUNCTION_ABS = 9,
  NAMP_FUNCTION_CLAMP = 10, /* min(max(a, p), q), neither of them NaN; a NaN stays a NaN */
  /* a^p, p finite, with C's special values. For p of 2, 3, -1, -2, 1/2 and -1/2 by products, quotients and
     square roots, as in PyTorch; otherwise within two units in the last place */
  NAMP_FUNCTION_POW = 11,
  NAMP_FUNCTION_SQRT_GRADIENT = 12,  /* a / (2 b), b being the root */
  NAMP_FUNCTION_ABS_GRADIENT = 13,   /* a times the sign of b, which is 0 of 0 */
  NAMP_FUNCTION_CLAMP_GRADIENT = 14, /* a where p <= b <= q, else 0 */
  NAMP_FUNCTION_POW_GRADIENT = 15    /* a p b^(p - 1); 0 where p is 0 */
} namp_function;

/* out = f(a, b), element by element, in float32, rounded once. Element (i, j, …) of a tensor lies at
 * i * strides[0] + j * strides[1] + …, so that a stride of 0 repeats an operand (NumPy's broadcasting), and
 * parts of a tensor can be read and written. Any dtypes. out may be a or b if dtype and strides agree. */
typedef struct namp_map_args {
  uint32_t struct_size;
  int32_t function; /* namp_function */
  int32_t out_dtype;
  int32_t a_dtype;
  int32_t b_dtype;
  int32_t rank; /* 0 to NAMP_MAP_MAX_RANK */
  float p;
  float q;
  int64_t shape[NAMP_MAP_MAX_RANK]; /* [rank], as all of these */
  /* in order, without overlap: each of a size above 1 is the next one's times its size or more, and the
     last 1 or more */
  int64_t out_strides[NAMP_MAP_MAX_RANK];
  int64_t a_strides[NAMP_MAP_MAX_RANK]; /* 0 or more */
  int64_t b_strides[NAMP_MAP_MAX_RANK];
  void* out;
  const void* a;
  const void* b; /* not read by functions of a alone */
} namp_map_args;

NAMP_API int32_t namp_map(namp_device* device, const namp_map_args* args, namp_stream stream);

/* Operations of namp_reduce. */
typedef enum namp_reduction {
  NAMP_REDUCTION_SUM = 1, /* alpha times the sum in float32 [+ out, with accumulate] */
  NAMP_REDUCTION_MAX = 2  /* the largest; a NaN counts as the largest, and 0 is above -0 */
} namp_reduction;

/* Reduces the middle dimension: out[o, i] from in[o, k, i] for all k. Any dtypes. */
typedef struct namp_reduce_args {
  uint32_t struct_size;
  int32_t reduction; /* namp_reduction */
  int32_t out_dtype;
  int32_t in_dtype;
  float alpha;
  int32_t accumulate; /* of SUM; 0 of MAX */
  int64_t outer;
  int64_t count; /* MAX: 1 or more where there are elements to write */
  int64_t inner;
  void* out;      /* [outer, inner] */
  const void* in; /* [outer, count, inner] */
} namp_reduce_args;

NAMP_API int32_t namp_reduce(namp_device* device, const namp_reduce_args* args, namp_stream stream);

/* out[c] = alpha * sum over o and i of in[o, c, i] [+ out[c], with accumulate], float32 sums: bias
 * gradients, means. */
typedef struct namp_sum_args {
  uint32_t struct_size;
  int32_t out_dtype;
  int32_t in_dtype;
  float alpha;
  int64_t outer, channels, inner;
  void* out;
  const void* in;
  int64_t accumulate;
} namp_sum_args;

NAMP_API int32_t namp_sum(namp_device* device, const namp_sum_args* args, namp_stream stream);

/* out = in with its dimensions permuted: out has shape shape[perm[0]], shape[perm[1]], … Elements
   of 1, 2 or 4 bytes. shape and perm are host arrays [rank], rank 1 to NAMP_PERMUTE_MAX_RANK. */
NAMP_API int32_t namp_permute(namp_device* device, void* out, const void* in, int32_t dtype,
                              int32_t rank, const int64_t* shape, const int32_t* perm,
                              namp_stream stream);

/* out[r] = index of the largest element of row r (the first of equals; a NaN counts as the
 * largest). out is int32 on the device. */
NAMP_API int32_t namp_argmax(namp_device* device, int32_t* out, const void* in, int32_t dtype,
                             int64_t rows, int64_t width, namp_stream stream);

/* ---- Products of integers ----
 *
 * Weights, and the rows of activations, as signed integers with scales: value = code * scale. They
 * give the same bits on every SIMD target, with any number of threads, and on every GPU. */

/* Rows of values and their codes of 8 bits, with one scale a row, or one for each group of columns.
 * quantize_rows reads input and writes codes and scales: scale = m / 127 and code = x / scale,
 * rounded to nearest even, at most 127 in magnitude, where m is the largest magnitude of the row, or
 * of the group. A group of zeros, or so small that m / 127 is 0, has scale 0 and codes 0. A group
 * with an infinity or a NaN has scale NaN and codes 0: all that is computed from it is NaN.
 * dequantize_rows reads codes and scales and writes output = code * scale. */
typedef struct namp_row_codes_args {
  uint32_t struct_size;
  int32_t dtype; /* of input and output */
  int64_t rows;
  int64_t width;     /* 1 or more */
  const void* input; /* [rows, width] */
  int8_t* codes;     /* [rows, width] */
  float* scales;     /* [rows, groups]: groups is width / group, rounded up; 1 with group 0 */
  void* output;      /* [rows, width] */
  int64_t group;     /* columns with a scale, the last ones may be fewer; 0: all of a row */
} namp_row_codes_args;

NAMP_API int32_t namp_quantize_rows(namp_device* device, const namp_row_codes_args* args,
                                    namp_stream stream);
NAMP_API int32_t namp_dequantize_rows(namp_device* device, const namp_row_codes_args* args,
                                      namp_stream stream);

/* Values and their codes of 8 bits, with one scale and one zero point that are known before:
 * code = round(input / scale) + zero_point, the quotient rounded to float32 and then to the nearest
 * integer, ties to even, and the code limited to -128 and 127: ONNX's QuantizeLinear to int8. The
 * value of a code is (code - zero_point) * scale. A NaN becomes zero_point, the code of 0: such
 * codes cannot show it. */
typedef struct namp_tensor_codes_args {
  uint32_t struct_size;
  int32_t dtype; /* of input */
  int64_t count;
  const void* input;  /* [count] */
  int8_t* codes;      /* [count] */
  float scale;        /* finite and above 0 */
  int32_t zero_point; /* -128 to 127 */
} namp_tensor_codes_args;

NAMP_API int32_t namp_quantize_tensor(namp_device* device, const namp_tensor_codes_args* args,
                                      namp_stream stream);

/* The largest k of namp_int8_gemm: the sum of k products of 8 bits fits in 32. */
#define NAMP_INT8_GEMM_MAX_K 131071

/* The same with a zero point that is not 0, and in namp_int8_conv2d: a code less its zero point has
 * 9 bits. */
#define NAMP_INT8_SHIFTED_MAX_K 65793

/* A weight W[n, k] of codes is laid out once, and every namp_int8_gemm or namp_int8_conv2d of this
 * kind of device reads it so. The layout is the library's own, the same for every SIMD target and
 * number of threads, and not one for files: on a GPU the codes as they are, on the CPU with the sums
 * of the rows of W, and for products in panels of 32 rows, for convolutions in words of four input
 * channels of a tap (of four taps of a row if there is one channel). */
typedef struct namp_int8_pack_args {
  uint32_t struct_size;
  int32_t reserved;
  int64_t n;
  int64_t k; /* at most NAMP_INT8_GEMM_MAX_K */
  /* 0 for namp_int8_gemm. For namp_int8_conv2d its kernel's: n is then out_channels, and k is
     in_channels / groups * kernel_h * kernel_w, 1 to NAMP_INT8_SHIFTED_MAX_K. */
  int64_t kernel_h, kernel_w;
  const int8_t* weight; /* [n, k] */
  void* packed;         /* of any alignment; products are fastest from a multiple of 64 on */
  int64_t packed_bytes; /* of namp_int8_packed_bytes */
} namp_int8_pack_args;

/* The bytes of a weight that is laid out. Only the sizes of args count. */
NAMP_API int32_t namp_int8_packed_bytes(int64_t* bytes, namp_device* device,
                                        const namp_int8_pack_args* args);

/* Lays a weight out. packed_bytes that are not those of its sizes are an error, here and where it is
 * used. */
NAMP_API int32_t namp_int8_pack(namp_device* device, const namp_int8_pack_args* args,
                                namp_stream stream);

/* C[i, j] = float(sum over k of (A[i, k] - a_zero_point) B[j, k]) * a_scales[i] * b_scales[j]
 * [+ bias[j]], in this order, each operation rounded to float32, and C to c_dtype. The sum is
 * exact. */
typedef struct namp_int8_gemm_args {
  uint32_t struct_size;
  int32_t c_dtype;
  int64_t m, n;
  int64_t k;       /* at most NAMP_INT8_GEMM_MAX_K, or NAMP_INT8_SHIFTED_MAX_K with a zero point */
  const int8_t* a; /* [m, k] */
  const void* b;   /* B[n, k], as namp_int8_pack lays it out */
  int64_t b_bytes; /* its packed_bytes */
  const float* a_scales; /* [m]; null: a_scale is that of all rows */
  const float* b_scales; /* [n] */
  const float* bias;     /* [n], or null */
  void* c;               /* [m, n] */
  float a_scale;         /* finite and above 0; read only if a_scales is null */
  int32_t a_zero_point;  /* of all rows, -128 to 127 */
} namp_int8_gemm_args;

NAMP_API int32_t namp_int8_gemm(namp_device* device, const namp_int8_gemm_args* args,
                                namp_stream stream);

/* The convolution of namp_conv2d_args on codes, with namp_tensor_codes_args' scale and zero point of
 * the input and one scale an output channel of the weight:
 * output = activation(float(sum of (input - zero_point) weight) * scale * weight_scales[channel]
 * [+ bias[channel]]), in this order, each operation rounded to float32, and the output to dtype. The
 * padding has the value 0. The sum is exact. */
typedef struct namp_int8_conv2d_args {
  uint32_t struct_size;
  int32_t dtype; /* of output */
  int64_t batch, in_channels, in_h, in_w;
  int64_t out_channels, kernel_h, kernel_w;
  int64_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
  int64_t groups;
  const int8_t* input;        /* [batch, in_channels, in_h, in_w] */
  const void* weight;         /* [out_channels, in_channels / groups, kernel_h, kernel_w], as
                           namp_int8_pack lays it out with this kernel */
  int64_t weight_bytes;       /* its packed_bytes */
  const float* weight_scales; /* [out_channels] */
  const float* bias;          /* [out_channels], or null */
  void* output;               /* [batch, out_channels, out_h, out_w] as of namp_conv2d_args */
  float scale;
  int32_t zero_point; /* -128 to 127 */
  int32_t activation; /* NONE or RELU */
  int32_t reserved;
} namp_int8_conv2d_args;

NAMP_API int32_t namp_int8_conv2d(namp_device* device, const namp_int8_conv2d_args* args,
                                  namp_stream stream);

/* C = A W^T [+ bias] of float A and coded W[n, k]. Arithmetic in float32, C rounded to c_dtype.
 *
 * bits 8: codes is int8 [n, k], scales [n], group 0. bits 4: a row of W has groups of group columns,
 * the last of which may be shorter; codes is [n, groups, group / 2], two codes of 0 to 15 a byte,
 * the earlier column in the low half, value = (code - 8) * scale; codes after a row's end do not
 * count; scales is [n, groups]. That is the layout of ONNX's MatMulNBits. */
typedef struct namp_code_gemm_args {
  uint32_t struct_size;
  int32_t a_dtype;
  int32_t c_dtype;
  int32_t bits; /* 4 or 8 */
  int64_t m, n, k;
  int64_t group; /* 32, 64, 128 or 256 with 4 bits; 0 with 8 */
  const void* a; /* [m, k] */
  const uint8_t* codes;
  const float* scales;
  const float* bias; /* [n], or null */
  void* c;           /* [m, n] */
} namp_code_gemm_args;

NAMP_API int32_t namp_code_gemm(namp_device* device, const namp_code_gemm_args* args,
                                namp_stream stream);

/* A weight W[n, k] of 4 bits, as namp_code_gemm_args has its codes and scales, is laid out once, and
 * every namp_int4_gemm of this kind of device reads it so. As of namp_int8_pack the layout is the
 * library's own: on a GPU the codes and then the scales as they are, on the CPU panels of 32 rows of
 * W, where each group has its scales before its codes. */
typedef struct namp_int4_pack_args {
  uint32_t struct_size;
  int32_t reserved;
  int64_t n, k;
  int64_t group;        /* 32, 64, 128 or 256 */
  const uint8_t* codes; /* [n, groups, group / 2] */
  const float* scales;  /* [n, groups] */
  void* packed;         /* of a float's alignment; products are fastest from a multiple of 64 on */
  int64_t packed_bytes; /* of namp_int4_packed_bytes */
} namp_int4_pack_args;

/* The bytes of a weight that is laid out. Only the sizes of args count. */
NAMP_API int32_t namp_int4_packed_bytes(int64_t* bytes, namp_device* device,
                                        const namp_int4_pack_args* args);

/* Lays a weight out. packed_bytes that are not those of its sizes are an error, here and where it is
 * used. */
NAMP_API int32_t namp_int4_pack(namp_device* device, const namp_int4_pack_args* args,
                                namp_stream stream);

/* C = A W^T [+ bias] of integers: A[m, k] has codes of 8 bits and W[n, k] codes of 4 bits, both with
 * a scale for each group of columns. With S(i, j, g) the sum over the columns k of group g of
 * A[i, k] (W[j, k] - 8), which is exact:
 *
 *   C[i, j] = 0; for each g in ascending order:
 *   C[i, j] = fma(float(S(i, j, g)) * a_scales[i, g], w_scales[j, g], C[i, j])
 *
 * then + bias[j], and C to c_dtype. The product is rounded to float32, and so is the result of fma,
 * once. Such products of 4 and of 8 bits are llama.cpp's (Q4_0 with Q8_0, groups of 32), and those of
 * ONNX Runtime's MatMulNBits with accuracy_level 4. */
typedef struct namp_int4_gemm_args {
  uint32_t struct_size;
  int32_t c_dtype;
  int64_t m, n, k;
  int64_t group;         /* 32, 64, 128 or 256, of A and W */
  const int8_t* a;       /* [m, k] */
  const float* a_scales; /* [m, groups], as namp_quantize_rows finds them */
  const void* b;         /* W[n, k], as namp_int4_pack lays it out */
  int64_t b_bytes;       /* its packed_bytes */
  const float* bias;     /* [n], or null */
  void* c;               /* [m, n] */
} namp_int4_gemm_args;

NAMP_API int32_t namp_int4_gemm(namp_device* device, const namp_int4_gemm_args* args,
                                namp_stream stream);

#ifdef __cplusplus
}
#endif

#endif /* NATIVEAMP_H */

/* What the emulated GPU tells a test. Exported by libnativeamp-emulated-cuda.so next to the driver
 * API; load that library as the product does (dlopen, NATIVEAMP_CUDA_LIBRARY) and take these
 * functions from it. Plain C, safe from any thread.
 *
 * Environment, read once when the library is first used:
 *   NAMPEMU_DEVICES           devices, 0 to 16 (default 1)
 *   NAMPEMU_MEMORY            bytes of memory a device (default 8 GiB)
 *   NAMPEMU_MULTIPROCESSORS   multiprocessors a device (default 4)
 *   NAMPEMU_COMPUTE           compute capability, e.g. 7.5 or 9.0 (default 8.0); PTX for a
 *                             higher sm_ is refused as a driver would
 *   NAMPEMU_INSTRUCTIONS      warp instructions a block may execute before it counts as hung
 *                             (default 2000000000)
 *   NAMPEMU_QUIET             1: findings are kept but not written to stderr
 *   NAMPEMU_ORDER             the order in which a launch's blocks run: forward (default),
 *                             reverse, or shuffle (NAMPEMU_SEED 1)
 *   NAMPEMU_RECORD            a file for nampemu_record, from the start
 *   NAMPEMU_SAMPLE            its sampled_blocks, at most 65536 (default 0)
 *   NAMPEMU_SEED              not 0: blocks and the warps of a block run in an order drawn from it,
 *                             for each launch anew (default 0)
 */
#ifndef NAMPEMU_H
#define NAMPEMU_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Kinds of findings: what a checker saw. */
typedef enum nampemu_kind {
  NAMPEMU_OUT_OF_BOUNDS =
      0, /* an access outside every live allocation, or beyond the one it began in */
  NAMPEMU_USE_AFTER_FREE = 1,
  NAMPEMU_MISALIGNED = 2,     /* address not a multiple of the access's whole width */
  NAMPEMU_UNWRITTEN_READ = 3, /* a read of bytes that nothing wrote */
  NAMPEMU_RACE =
      4, /* two threads, no barrier between them, one of them writing without an atomic */
  NAMPEMU_BARRIER = 5,      /* a barrier, shuffle or vote that not all reach that must */
  NAMPEMU_LAUNCH_LIMIT = 6, /* threads, shared memory, registers, grid over the device's limits */
  NAMPEMU_ARGUMENT =
      7, /* kernel arguments missing or of the wrong size, foreign handles, null pointers */
  NAMPEMU_NO_CONTEXT = 8, /* a call that needs a current context and had none */
  NAMPEMU_LEAK = 9,       /* alive when its context was released: memory, streams, graphs */
  NAMPEMU_BAD_PTX = 10,   /* a module that can't be read: the text has the line */
  NAMPEMU_HANG = 11,      /* a block that waits for ever or ran over its instructions */
  NAMPEMU_BAD_FREE = 12,  /* a free of something that isn't allocated, or twice */
  NAMPEMU_TRAP = 13,      /* trap executed */
  NAMPEMU_KINDS = 14
} nampemu_kind;

/* Findings of all kinds, each place counted once: the same kernel, line and kind is one finding
 * with a count. */
size_t nampemu_findings(void);
/* Findings of one kind. */
size_t nampemu_findings_of(nampemu_kind kind);
/* The text of finding index: kind, kernel, PTX line, block, thread, address. Null past the end.
 * Valid until nampemu_reset. */
const char* nampemu_finding_text(size_t index);
/* Its kind; NAMPEMU_KINDS past the end. */
nampemu_kind nampemu_finding_kind(size_t index);
/* How often it was seen. */
uint64_t nampemu_finding_count(size_t index);

/* Forgets findings, counters, failures to come and a context's sticky error. Allocations, modules
 * and contexts stay. */
void nampemu_reset(void);
/* Forgets findings only. */
void nampemu_reset_findings(void);
/* Zeroes counters only. */
void nampemu_reset_counters(void);

/* Bytes moved by one kind of access: by width of one lane's access, in bytes 1, 2, 4, 8, 16 (index
 * 0 to 4). */
typedef struct nampemu_traffic {
  uint64_t loaded[5];
  uint64_t stored[5];
  uint64_t atomic[5]; /* atom and red: bytes of the operands */
} nampemu_traffic;

/* Classes of PTX instructions. */
typedef enum nampemu_class {
  NAMPEMU_INTEGER = 0,   /* arithmetic, logic, shifts, comparisons, selections of at most 32 bits */
  NAMPEMU_INTEGER64 = 1, /* the same of 64 bits: two or more machine instructions each */
  NAMPEMU_FLOAT = 2,     /* arithmetic and comparisons of at most 32 bits */
  NAMPEMU_FLOAT64 = 3,
  NAMPEMU_CONVERT = 4, /* cvt */
  NAMPEMU_DIVIDE = 5,  /* div, rem, sqrt, rcp, rsqrt, ex2, lg2, sin, cos, tanh */
  NAMPEMU_MOVE = 6,    /* mov, cvta, ld.param: most of them are operands to a machine */
  NAMPEMU_MEMORY = 7,  /* other loads, stores, atomics */
  NAMPEMU_CONTROL = 8, /* branches, calls, returns */
  NAMPEMU_SYNC = 9,    /* barriers, fences, shuffles, votes */
  NAMPEMU_CLASSES = 10
} nampemu_class;

typedef struct nampemu_counters {
  uint64_t launches;            /* of kernels and of graphs, by the host */
  uint64_t thread_instructions; /* PTX instructions executed, counted once a thread */
  uint64_t warp_instructions;
  nampemu_traffic global;
  nampemu_traffic shared;
  nampemu_traffic local;
  uint64_t constant_loaded;
  uint64_t copies_to_device, bytes_to_device;
  uint64_t copies_to_host, bytes_to_host;
  uint64_t copies_on_device, bytes_on_device;
  uint64_t fills, bytes_filled;
  uint64_t host_waits;  /* calls that block the host: synchronize, copies without a stream or with
                           pageable memory, frees */
  uint64_t allocations; /* calls that allocated device memory */
  uint64_t frees;
  uint64_t gemms;                         /* by the stand-in cuBLAS */
  uint64_t instructions[NAMPEMU_CLASSES]; /* thread_instructions by class */
  /* Global memory by sectors of 32 bytes, those that a warp's instruction touches counted once:
   * bytes / (32 * sectors) is the share of what moves that was asked for. Atomics count in
   * neither. */
  uint64_t sectors_loaded;
  uint64_t sectors_stored;
  uint64_t gemms_in_own_workspace; /* of gemms, those for which cuBLAS had been given none */
  /* Turns of shared memory beyond the least: 32 banks of 4 bytes give one word each in a turn, to any
   * number of lanes. A warp's access has one turn at least, of 8 bytes a lane two (half a warp each),
   * of 16 bytes four; each matrix of ldmatrix is a turn. Atomics are not counted. */
  uint64_t bank_conflicts;
  uint64_t graph_launches; /* of kernels, by graphs */
} nampemu_counters;

/* Copies the counters out. size is sizeof(nampemu_counters); at most that many bytes are written.
 */
void nampemu_get_counters(nampemu_counters* counters, size_t size);
/* Launches of the kernels whose name contains the text; null or "" counts all. */
uint64_t nampemu_launches_of(const char* name_part);
/* Instructions and memory traffic of those kernels, in the same struct; what has no meaning for a
 * kernel is 0. */
void nampemu_get_kernel_counters(const char* name_part, nampemu_counters* counters, size_t size);
/* Calls of a driver or cuBLAS function, by its name without _v2. */
uint64_t nampemu_calls_of(const char* function);
/* The name of the function at an index, among those called since the counters were reset; null past
 * the end. */
const char* nampemu_called_function(size_t index);

/* What the text of a kernel says, without running it. */
typedef struct nampemu_kernel_facts {
  char name[128];
  uint32_t threads;      /* of a block, at most (.maxntid); 0: not said */
  uint32_t instructions; /* of the entry, not of what it calls */
  uint32_t shared_bytes; /* static */
  uint32_t local_bytes;  /* of a thread */
  /* Virtual registers by width, of the entry: names that the compiler used. Not a machine's. */
  uint32_t predicates, registers16, registers32, registers64;
} nampemu_kernel_facts;

/* Reads a module's text and writes the facts of at most capacity of its kernels, in order. Returns
 * how many it has; for text that can't be read 0 and a finding. */
size_t nampemu_read_kernels(const char* ptx, nampemu_kernel_facts* facts, size_t capacity);

/* The order of blocks and warps in the launches to come, as NAMPEMU_SEED has it. Returns the seed
 * until now. */
uint64_t nampemu_set_seed(uint64_t seed);

/* The compute capability of the devices opened from now on, as NAMPEMU_COMPUTE has it, such as 75 for
 * 7.5. Returns that until now. */
int nampemu_set_compute(int compute);

/* Records from now on, into a new file, what the device does: a line of JSON for each launch of a kernel, alone or
 * in a graph, each product of the stand-in cuBLAS, each copy and each fill. A line has the number of the graph's
 * launch that it is of (0: of none); a kernel's has its name, blocks and threads, the counters of this launch, the
 * lines of 128 bytes that its warps' loads and stores of global memory touch (counted as sectors are), the
 * instructions of the warp that had most (longest_warp), and what it reached of its allocations, from the first byte
 * of a load or store to the last (loaded_extent, stored_extent). Null ends it. Returns 0, or 1 where the file cannot
 * be written.
 *
 * sampled_blocks other than 0 is for programs whose numbers nobody needs, such as a step of a large model. Of a grid
 * of more than twice as many blocks this number runs, spread over it, with the first and the last, and the counters
 * are scaled; a kernel whose atomics do more than count its blocks runs whole. A launch like an earlier one, but for
 * where its memory lies, is not run again; products are not computed, and copies on the device and fills above 1 MiB
 * not done. Memory that is allocated then has no shadows: nothing is found there but what lies out of bounds. */
int nampemu_record(const char* file, uint32_t sampled_blocks);
/* Writes a line of the caller's between those of what was asked for before and after: of a kind, with a name (both of letters, digits and the like, no
 * quotation mark), and how many floating-point operations and bytes belong to it. Nothing where there is no record. */
void nampemu_record_note(const char* kind, const char* name, double operations, double bytes);

/* Device memory alive, of all devices. */
size_t nampemu_live_allocations(void);
uint64_t nampemu_live_bytes(void);
/* Objects alive, by kind. */
size_t nampemu_live_modules(void);
size_t nampemu_live_streams(void);
size_t nampemu_live_events(void);
size_t nampemu_live_graphs(void); /* captured and executable ones */

/* The nth call from now (1 is the next) of a driver or cuBLAS function, named without _v2, does
 * nothing and returns result, once. Several may be waiting. Returns 0, or 1 for a name that this
 * library doesn't export or an nth of 0. */
int nampemu_fail(const char* function, uint64_t nth, int32_t result);
/* Forgets what nampemu_fail asked for and hasn't happened. */
void nampemu_fail_none(void);

/* Declares that the bytes, of device memory, were written by nobody: a test's way to check a
 * suballocator's reuse. */
void nampemu_forget_writes(uint64_t address, uint64_t bytes);
/* Copies bytes of a live allocation to the host: a test's own look, which is neither checked nor
 * counted. Returns 0, or 1 where they are not in one live allocation. */
int nampemu_peek(uint64_t address, uint64_t bytes, void* to);
/* Where the emulator keeps the byte at an address of a live allocation, and behind it the rest of
 * the allocation; null for another address. For the stand-in cuBLAS: the host can reach device
 * memory in no other way. */
void* nampemu_storage(uint64_t address);
/* Whether every byte lies in one live allocation and was written. For the stand-in cuBLAS; reports
 * what isn't so, with the text of who. */
int nampemu_check_read(uint64_t address, uint64_t bytes, const char* who);
/* The same for a write, which then counts as one. */
int nampemu_check_write(uint64_t address, uint64_t bytes, const char* who);
/* Whether this thread has a current context; a finding otherwise. For the stand-in cuBLAS. */
int nampemu_check_context(const char* who);
/* Counts a call of the stand-in cuBLAS; the result that an injected failure asks for, or 0. */
int32_t nampemu_enter(const char* function);
/* Puts work on a stream (a CUstream): it is called in the stream's order, once, or at each launch of
 * the graph that the stream is captured for. release(data) follows, at the latest if the call fails.
 * For the stand-in cuBLAS. Returns a CUresult. */
int32_t nampemu_put(void* stream, void (*work)(void* data), void* data,
                    void (*release)(void* data));
/* Counts one GEMM, and whether it was in cuBLAS's own workspace. */
void nampemu_count_gemm(int own_workspace);
/* A product, for the record. For the stand-in cuBLAS. */
typedef struct nampemu_product {
  uint64_t m, n, k, batch;
  uint64_t operand_bytes, result_bytes; /* of an element */
  uint64_t reads_result;                /* 1: C is added to */
  uint64_t bias, sums;                  /* 1: with a bias; with the sums of B's columns */
  uint64_t kept;                        /* 1: with a GELU's arguments, a matrix as large as C */
} nampemu_product;
/* Records it, if there is a record. Returns whether it need not be computed. */
int nampemu_record_product(const nampemu_product* product);
/* Adds a finding from outside. */
void nampemu_report(nampemu_kind kind, const char* text);

#ifdef __cplusplus
}
#endif

#endif

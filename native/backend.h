// The one table a backend fills in. The abi layer has checked every argument before a call arrives
// here: pointers are there and aligned, counts are not negative, dtypes are known, shapes fit. A
// backend reports failure by throwing namp::Error and then has changed nothing.
//
// An operator that a backend does not override is unsupported and says so.
#pragma once

#include <cstdint>
#include <memory>

#include "capture.h"
#include "code_groups.h"
#include "error.h"
#include "lists/operators.h"
#include "nativeamp.h"
#include "table_view.h"

namespace namp {

class Backend {
 public:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend() = default;

  // Devices. info arrives zeroed, with struct_size set.
  virtual void get_info(namp_device_info& info) = 0;
  virtual void* context() const { return nullptr; }  // CUDA's
  virtual void set_threads(int32_t threads);
  virtual void set_simd(namp_simd simd);
  // Products of float32 matrices may use TF32, where the backend has it.
  virtual void set_allow_tf32(bool) {}
  // Products are made in the way that was the fastest when it was measured, where there are several.
  virtual void set_measure_products(bool) {}

  // Streams. Null is the device's own, which others know as own_stream.
  virtual namp_stream own_stream() = 0;
  virtual namp_stream create_stream() = 0;
  virtual void destroy_stream(namp_stream stream) = 0;
  virtual void synchronize(namp_stream stream) = 0;
  // Waits for the work of all streams; an error of it shows in the next call that does something.
  // Where calls compute at once there is none.
  virtual void finish() noexcept {}
  // Work that is put on later from now on waits, on the device, for the work on earlier by now.
  virtual void order(namp_stream later, namp_stream earlier) = 0;

  // Events. Those that are waited for, queried or measured were recorded.
  virtual void* create_event() = 0;
  virtual void destroy_event(void* event) = 0;
  virtual void record_event(void* event, namp_stream stream) = 0;
  virtual void wait_event(namp_stream stream, void* event) = 0;
  virtual bool query_event(void* event) = 0;
  virtual void synchronize_event(void* event) = 0;
  virtual double elapsed_seconds(void* from, void* to) = 0;

  // Graphs: the calling thread's work on capture.stream becomes part of one from now on.
  virtual void begin_capture(Capture& capture);
  // The graph; null unless it is kept. The capture is over in any case.
  virtual void* end_capture(Capture& capture, bool keep);
  virtual void launch_graph(void* graph, namp_stream stream);
  virtual void destroy_graph(void* graph) noexcept;

  // Memory as the system gives it, 256-byte aligned; abi/memory_pool.h caches it. Throws
  // NAMP_ERROR_OUT_OF_MEMORY.
  virtual void* system_allocate(int64_t bytes) = 0;
  virtual void system_free(void* pointer) = 0;
  virtual void* allocate_host(int64_t bytes) = 0;
  virtual void free_host(void* pointer) = 0;
  // Host memory is the caller's again when it returns.
  virtual void copy(void* destination, const void* source, int64_t bytes,
                    namp_copy_direction direction, namp_stream stream) = 0;
  // Host memory is of allocate_host, and used when it is the copy's turn.
  virtual void copy_async(void* destination, const void* source, int64_t bytes,
                          namp_copy_direction direction, namp_stream stream) = 0;
  virtual void fill(void* destination, int32_t value, int64_t bytes, namp_stream stream) = 0;

  // Scratch memory from the pool: it stays valid until the next call for the same user on this
  // stream. Set by the abi layer when the device is opened.
  class Workspace {
   public:
    enum class User {
      kOperator,  // the one in progress on the stream
      kSums,      // sums of columns, which an operator with scratch of its own may ask for
      kLibrary,   // one that it calls
      kPadded,    // operands of a product whose rows begin at odd places
      kTrial,     // what a product writes while it is measured
      kDense,     // a result that is to be spread
    };
    virtual ~Workspace() = default;
    virtual void* reserve(int64_t bytes, namp_stream stream, User user) = 0;
    // Gives what the pool keeps for later back to the system.
    virtual void trim() = 0;
  };
  void set_workspace(Workspace* workspace) { workspace_ = workspace; }

  // The four families.
  virtual void cast(const namp_cell& destination, const namp_cell& source, int64_t count,
                    const namp_cast_options& options, namp_stream stream);
  virtual void cast_table(const TableView& table, int32_t destination_column, int32_t source_column,
                          const namp_cast_options& options, namp_stream stream);
  virtual void average_table(const TableView& table, int32_t average_column, int32_t value_column,
                             float weight, namp_stream stream);
  // Gradients may be FP8; what is written is not, nor is what it is written from. unscales: the state
  // says that the gradients in memory are unscaled, here or by a cast that follows.
  virtual void unscale_check(const TableView& table, int32_t gradient_column, int32_t write_column,
                             bool unscales, const namp_scaler_state* scaler,
                             namp_optimizer_state* state, bool reset, namp_stream stream);
  // compact: some parameter or state of the table is not float32, or some gradient is FP8.
  virtual void optimizer_step(const TableView& table, const namp_optimizer_args& args, bool compact,
                              const namp_scaler_state* scaler, namp_optimizer_state* state,
                              namp_stream stream);
  virtual void scaler_update(namp_scaler_state* scaler, namp_optimizer_state* const* states,
                             int32_t count, const namp_scaler_options& options, namp_stream stream);

  // accesses has one namp_access a column; checksum may be null.
  virtual void touch_table(uint32_t* checksum, const TableView& table, const int32_t* accesses,
                           namp_stream stream);

  // Operators that take one struct.
#define NAMP_VIRTUAL(name, Args) virtual void name(const Args& args, namp_stream stream);
  NAMP_FOR_EACH_OPERATOR(NAMP_VIRTUAL)
#undef NAMP_VIRTUAL

  // Bytes of a weight that int8_pack laid out, by the sizes. Its codes as they are, unless a backend
  // has a layout.
  virtual int64_t int8_packed_bytes(const namp_int8_pack_args& args) const {
    return args.n * args.k;
  }
  // The same of int4_pack: its codes and scales as they are.
  virtual int64_t int4_packed_bytes(const namp_int4_pack_args& args) const {
    const int64_t groups = code_groups(args.k, args.group);
    return args.n * groups * (args.group / 2 + static_cast<int64_t>(sizeof(float)));
  }

  // Other operators of networks.
  virtual void dropout(void* output, const void* input, namp_dtype dtype, int64_t count,
                       float probability, uint64_t seed, uint64_t offset,
                       const uint64_t* offset_base, namp_stream stream);
  virtual void permute(void* out, const void* in, namp_dtype dtype, int32_t rank,
                       const int64_t* shape, const int32_t* perm, namp_stream stream);
  virtual void argmax(int32_t* out, const void* in, namp_dtype dtype, int64_t rows, int64_t width,
                      namp_stream stream);

 protected:
  void* workspace(int64_t bytes, namp_stream stream) {
    return workspace_->reserve(bytes, stream, Workspace::User::kOperator);
  }
  Workspace& workspaces() { return *workspace_; }

 private:
  Workspace* workspace_ = nullptr;
};

// The offer of a kind of backend before a device is opened.
struct BackendFactory {
  // Devices of this machine; when 0, reason says why in a sentence.
  int32_t (*count)(std::string& reason);
  std::unique_ptr<Backend> (*open)(int32_t ordinal);
  // In a context that the caller made; null for a kind without contexts.
  std::unique_ptr<Backend> (*open_context)(void* context);
};

// The factory of a kind; null for a kind that this build does not have (reason says so).
const BackendFactory* find_backend(namp_device_kind kind, std::string& reason);

// native/cpu, and native/cuda where this build has it.
const BackendFactory& cpu_backend_factory();
const BackendFactory& cuda_backend_factory();

// The sums of in [outer, channels, inner] for each channel, which replace what is in out.
namp_sum_args sum_of(void* out, int32_t out_dtype, const void* in, int32_t in_dtype, int64_t outer,
                     int64_t channels, int64_t inner);

// The row_sums of a product, as a call of their own.
namp_sum_args row_sums_of(const namp_gemm_args& product);

}  // namespace namp

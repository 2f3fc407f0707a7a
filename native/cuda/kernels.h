// Declarations of the kernels for host and device: the struct that is a kernel's argument, its name
// for the driver, and the threads of its blocks. An image is a .cu file. If the C interface's
// struct is enough, it is the argument.
#pragma once

#include "nativeamp.h"
#include "strided.h"
#include "table_view.h"

namespace namp::cuda {

// A kernel as the host knows it.
template <class Args>
struct Kernel {
  const char* image;
  const char* name;
  int threads;
};

// A zeroed counter on the device that identifies a launch's last block. A stream has kTickets of
// them, for launches whose parts end by themselves.
using Ticket = uint32_t*;
inline constexpr int kTickets = 64;

// Elements that a thread moves at a time: 16 bytes in half precision, twice 16 bytes in float32.
inline constexpr int kPack = 8;

// A tensor is cut into tasks of this many elements; a block works on one at a time.
inline constexpr int64_t kTaskElements = 16384;

constexpr int64_t task_count(int64_t elements) {
  return (elements + kTaskElements - 1) / kTaskElements;
}

// Number of blocks for a count of pieces of work, with per_block pieces for each.
constexpr int64_t blocks(int64_t count, int64_t per_block) {
  return (count + per_block - 1) / per_block;
}

// The first compute capability whose tensor cores take what the files give them whose names end in
// _sm80.
inline constexpr int kTensorCapability = 80;
// The first whose products by cuBLASLt make a GELU in the same launch, as llm.c has it by default: there
// a pass over C is the longest beside its product. Not timed.
inline constexpr int kFusedGeluCapability = 90;

// ---- cast.cu ----

// Of its registers five blocks fit a multiprocessor of 9.0: more loads are under way than in two of 256 threads.
inline constexpr int kCastThreads = 128;

struct CastArgs {
  namp_cell destination;
  namp_cell source;
  int64_t count;
  namp_cast_options options;
};
inline constexpr Kernel<CastArgs> kCast{"cast", "cast_kernel", kCastThreads};

struct CastTableArgs {
  TableView table;
  int32_t destination_column;
  int32_t source_column;
  namp_cast_options options;
};
inline constexpr Kernel<CastTableArgs> kCastTable{"cast", "cast_table_kernel", kCastThreads};

// ---- average.cu ----

struct AverageArgs {
  TableView table;
  int32_t average_column;
  int32_t value_column;
  float weight;
};

// ---- unscale_check.cu ----

inline constexpr int kCheckThreads = 128;  // of 8 elements: kSumLanes
// Blocks of a check that a multiprocessor holds: with 64 bytes a thread on their way, 64 KiB. An
// H100's 3 TB/s times an assumed 0.8 microseconds of latency are 18 KiB a multiprocessor; the rest
// covers the work between a chunk's loads.
inline constexpr int kCheckBlocks = 8;

struct UnscaleCheckArgs {
  TableView table;
  int32_t gradient_column;
  int32_t write_column;  // -1: only check
  int32_t unscales;
  const namp_scaler_state* scaler;
  namp_optimizer_state* state;
  Ticket ticket;
  int32_t reset;
};
// Where nothing is written; by itself, for it needs fewer registers and so has more blocks.
inline constexpr Kernel<UnscaleCheckArgs> kCheck{"unscale_check", "check_kernel", kCheckThreads};
inline constexpr Kernel<UnscaleCheckArgs> kUnscale{"unscale_check", "unscale_kernel",
                                                   kCheckThreads};

inline constexpr int kMaxScalerStates = 64;
struct ScalerUpdateArgs {
  namp_scaler_state* scaler;
  namp_scaler_options options;
  int32_t count;
  const namp_optimizer_state* states[kMaxScalerStates];
};
inline constexpr Kernel<ScalerUpdateArgs> kScalerUpdate{"unscale_check", "scaler_update_kernel",
                                                        32};

// ---- optimizer.cu: one kernel for each rule ----

inline constexpr int kOptimizerThreads = 128;
// Blocks of a rule's kernel that a multiprocessor should hold at least. On an H100 loads wait less
// the more of them there are; Adam's registers leave room for three.
constexpr int optimizer_blocks(int states) { return states > 1 ? 3 : 4; }
// The same for a rule's kernel over compact columns. Where each layout has code of its own
// (optimizer_layouts.cuh), that has about as many registers as float32's; where dtypes are chosen at run
// time, more blocks hide more of what is computed between two loads.
constexpr int compact_optimizer_blocks(bool has_layouts) { return has_layouts ? 3 : 4; }

// Groups passed in the launch's arguments, which have 4 KiB; more groups are uploaded. They are
// passed as words: a kernel that takes a pointer into its arguments, or copies a struct of them,
// keeps all of them in local memory.
inline constexpr int32_t kInlineGroups = 48;
inline constexpr int32_t kGroupWords = sizeof(namp_optimizer_group) / sizeof(uint64_t);
static_assert(kGroupWords * sizeof(uint64_t) == sizeof(namp_optimizer_group));

struct OptimizerArgs {
  TableView table;
  namp_optimizer_columns columns;
  int32_t group_count;
  int32_t row_count;  // of groups, 1 or more
  int64_t first_step;
  int32_t weight_rounding;
  float max_norm;
  int32_t advance_step;
  uint64_t seed;
  const namp_scaler_state* scaler;
  namp_optimizer_state* state;
  Ticket ticket;
  int64_t* steps;                   // [tensors]
  const namp_optimizer_rows* rows;  // instead of row_count, first_step and groups; or null
  uint64_t groups[kInlineGroups * kGroupWords];
};
static_assert(sizeof(OptimizerArgs) <= 4096, "what a launch can carry");

// ---- touch.cu ----

inline constexpr int kTouchThreads = 256;

struct TouchArgs {
  TableView table;
  uint32_t* checksum;  // zeroed; or null
  int32_t accesses[NAMP_TABLE_MAX_COLUMNS];
};
inline constexpr Kernel<TouchArgs> kTouch{"touch", "touch_kernel", kTouchThreads};

// ---- loss.cu ----

inline constexpr int kLossThreads = 128;

// Values that all rows share, at the beginning of the workspace.
struct LossWeight {
  double divisor;    // of the loss; 0 makes a mean NaN
  float weight;      // of the gradient
  float weight_sum;  // of the classes
  int64_t has_bad_label;
};

struct CrossEntropyArgs {
  namp_cross_entropy_args call;
  LossWeight* weight;
  float* losses;  // [rows]
  Ticket ticket;
};
inline constexpr Kernel<CrossEntropyArgs> kCrossEntropyWeight{"loss", "cross_entropy_weight_kernel",
                                                              kLossThreads};
inline constexpr Kernel<CrossEntropyArgs> kCrossEntropy{"loss", "cross_entropy_kernel",
                                                        kLossThreads};
// With class weights or label smoothing; by itself, for the other one needs fewer registers.
inline constexpr Kernel<CrossEntropyArgs> kCrossEntropyWeighted{
    "loss", "cross_entropy_weighted_kernel", kLossThreads};

// element_loss.cu: a kernel for each of lists/losses.h.
struct ElementLossArgs {
  namp_element_loss_args call;
  double* sums;  // one for each chunk of kChunkElements
  Ticket ticket;
};

// ---- activation.cu, elementwise.cu, permute.cu ----

inline constexpr int kElementThreads = 256;

inline constexpr Kernel<namp_activation_args> kActivationForward{
    "activation", "activation_forward_kernel", kElementThreads};
inline constexpr Kernel<namp_activation_args> kActivationBackward{
    "activation", "activation_backward_kernel", kElementThreads};
inline constexpr Kernel<namp_add_args> kAdd{"elementwise", "add_kernel", kElementThreads};

struct DropoutArgs {
  void* output;
  const void* input;
  int64_t count;
  int32_t dtype;
  float probability;
  uint64_t seed;
  uint64_t offset;
  const uint64_t* offset_base;  // added to it; or null
};
inline constexpr Kernel<DropoutArgs> kDropout{"elementwise", "dropout_kernel", kElementThreads};

struct PermuteArgs {
  void* out;
  const void* in;
  int64_t count;
  int32_t element_bytes;
  int32_t rank;
  int64_t out_shape[NAMP_PERMUTE_MAX_RANK];
  int64_t in_strides[NAMP_PERMUTE_MAX_RANK];  // of the output's dimensions
};
inline constexpr Kernel<PermuteArgs> kPermute{"permute", "permute_kernel", kElementThreads};

// ---- map.cu, reduce.cu ----

struct MapArgs {
  Strided shape;
  void* out;
  const void* a;
  const void* b;  // null where it is not read
  int32_t out_dtype;
  int32_t a_dtype;
  int32_t b_dtype;
  int32_t function;
  float p;
  float q;
  int32_t is_run;  // all tensors are one
};
inline constexpr Kernel<MapArgs> kMap{"map", "map_kernel", kElementThreads};
inline constexpr Kernel<namp_reduce_args> kReduceSum{"reduce", "reduce_sum_kernel",
                                                     kElementThreads};
inline constexpr Kernel<namp_reduce_args> kReduceMax{"reduce", "reduce_max_kernel",
                                                     kElementThreads};

// ---- Sums down the columns of a matrix: column_sums.cuh, lane_sums.cuh ----

inline constexpr int kColumnThreads = 256;
inline constexpr int kColumnsPerBlock = 128;
inline constexpr int kColumnLanes = kColumnsPerBlock / kPack;
inline constexpr int kColumnGroups = kColumnThreads / kColumnLanes;  // rows at a time

struct RowRange {
  int64_t begin;
  int64_t end;
};

// The work as tiles of columns times slices of rows. It depends on the shape alone, so that every
// device adds in the same order.
struct ColumnSplit {
  int64_t rows;
  int64_t columns;
  int64_t tiles;
  int64_t slices;
  int64_t slice_rows;

  constexpr RowRange rows_of(int64_t slice) const {
    const int64_t begin = slice * slice_rows;
    return {begin, rows - begin < slice_rows ? rows : begin + slice_rows};
  }
};

// About as many slices as wanted. A thread has least_rows of a slice or more, and at most most_rows, since it
// adds them in float32.
constexpr ColumnSplit split_columns(int64_t rows, int64_t columns, int64_t wanted,
                                    int64_t least_rows, int64_t most_rows) {
  const int64_t even = blocks(blocks(rows, wanted), kColumnGroups);
  const int64_t thread_rows = even < least_rows ? least_rows : even > most_rows ? most_rows : even;
  const int64_t slice_rows = thread_rows * kColumnGroups;
  const int64_t slices = blocks(rows, slice_rows);
  return {rows, columns, blocks(columns, kColumnsPerBlock), slices > 0 ? slices : 1, slice_rows};
}

// A block has a tile of a slice: two blocks for each multiprocessor of an H100. With fewer than four rows
// of a thread its part of the reduction is the larger one.
constexpr ColumnSplit split_columns(int64_t rows, int64_t columns) {
  constexpr int64_t kBlocks = 264;
  const int64_t tiles = blocks(columns, kColumnsPerBlock);
  return split_columns(rows, columns, tiles < kBlocks ? kBlocks / (tiles > 0 ? tiles : 1) : 1, 4,
                       128);
}

// A block has all columns of a slice: two blocks for each multiprocessor of an H100.
inline constexpr int64_t kRowSlices = 264;
constexpr ColumnSplit split_rows(int64_t rows, int64_t columns) {
  return split_columns(rows, columns, kRowSlices, 1, 64);
}

template <class Call>
struct ColumnSumArgs {
  Call call;
  ColumnSplit split;
  // [slices, tiles, sums of a tile], or of whole rows [slices, sums, columns]; null with one slice or
  // without sums.
  double* partial;
  Ticket tickets;  // kTickets
};

// ---- layer_norm.cu, softmax.cu: one warp for each row ----

inline constexpr int kRowThreads = 256;
inline constexpr int kRowsPerBlock = kRowThreads / 32;

inline constexpr Kernel<namp_layer_norm_args> kLayerNormForward{
    "layer_norm", "layer_norm_forward_kernel", kRowThreads};
inline constexpr Kernel<ColumnSumArgs<namp_layer_norm_args>> kLayerNormBackward{
    "layer_norm", "layer_norm_backward_kernel", kColumnThreads};
inline constexpr Kernel<namp_softmax_args> kSoftmaxForward{"softmax", "softmax_forward_kernel",
                                                           kRowThreads};
inline constexpr Kernel<namp_softmax_args> kSoftmaxBackward{"softmax", "softmax_backward_kernel",
                                                            kRowThreads};

inline constexpr Kernel<namp_reduce_args> kReduceMaxRows{"reduce", "reduce_max_rows_kernel",
                                                         kRowThreads};

struct ArgmaxArgs {
  int32_t* out;
  const void* in;
  int64_t rows;
  int64_t width;
  int32_t dtype;
};
inline constexpr Kernel<ArgmaxArgs> kArgmax{"softmax", "argmax_kernel", kRowThreads};

// ---- row_codes.cu ----

inline constexpr Kernel<namp_row_codes_args> kQuantizeRows{"row_codes", "quantize_rows_kernel",
                                                           kRowThreads};
inline constexpr Kernel<namp_row_codes_args> kDequantizeRows{"row_codes", "decode_rows_kernel",
                                                             kRowThreads};
inline constexpr Kernel<namp_tensor_codes_args> kQuantizeTensor{
    "row_codes", "quantize_tensor_kernel", kElementThreads};

// ---- sum.cu, batch_norm.cu: sums over all dimensions but the channels ----

inline constexpr int kChannelThreads = 512;

inline constexpr Kernel<ColumnSumArgs<namp_sum_args>> kSumColumns{"sum", "sum_columns_kernel",
                                                                  kColumnThreads};
inline constexpr Kernel<namp_sum_args> kSumChannels{"sum", "sum_channels_kernel", kChannelThreads};
inline constexpr Kernel<namp_batch_norm_args> kBatchNormForward{
    "batch_norm", "batch_norm_forward_kernel", kChannelThreads};
inline constexpr Kernel<namp_batch_norm_args> kBatchNormBackward{
    "batch_norm", "batch_norm_backward_kernel", kChannelThreads};

// ---- embedding.cu ----

inline constexpr Kernel<namp_embedding_args> kEmbeddingForward{
    "embedding", "embedding_forward_kernel", kElementThreads};

inline constexpr int kIndexTile = 1024;  // indices that a block looks at together
inline constexpr int64_t kMostGroupRows = (int64_t{1} << 32) / kIndexTile;  // in a key of 32 bits

struct EmbeddingBackwardArgs {
  namp_embedding_args call;
  int64_t group_rows;  // of the table, for a block
};
inline constexpr Kernel<EmbeddingBackwardArgs> kEmbeddingBackward{
    "embedding", "embedding_backward_kernel", kElementThreads};

// ---- pooling.cu ----

struct PoolArgs {
  namp_pool2d_args call;
  int64_t out_h;
  int64_t out_w;
};
inline constexpr Kernel<PoolArgs> kPoolForward{"pooling", "pool_forward_kernel", kElementThreads};
inline constexpr Kernel<PoolArgs> kPoolBackward{"pooling", "pool_backward_kernel", kElementThreads};

}  // namespace namp::cuda

// Which rows of attention a block has, and where they and the rows that they are multiplied with lie.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/attention_kernels.h"
#include "cuda/loop.cuh"

namespace namp::cuda {

// Rows of one batch and head, from the task's first on: queries of a head; or keys (kOfKeys) of a head of
// theirs and of the query heads that share it, one at a time.
template <bool kOfKeys>
struct HeadPart {
  const namp_attention_args& call;
  int64_t head;   // batch * heads + query head
  int first;      // row
  int64_t query;  // first element of the head in query; in key and value; in output
  int64_t key;
  int64_t out;

  // Tasks with the most work come first, so that no block begins one when the others are done: the
  // last queries see the most keys, the first keys are seen by the most queries.
  NAMP_DEVICE HeadPart(const namp_attention_args& c, int64_t task, int rows, bool last_first)
      : call(c) {
    const int64_t heads_of_rows = kOfKeys ? c.key_heads : c.heads;
    const int64_t all = c.batch * heads_of_rows;
    const int64_t parts = blocks(kOfKeys ? c.key_time : c.query_time, rows);
    const int64_t index = task % all;
    const int64_t part = task / all;
    first = static_cast<int>(last_first ? parts - 1 - part : part) * rows;
    const int64_t batch = index / heads_of_rows;
    const int64_t own = index % heads_of_rows;
    const int64_t query_head = kOfKeys ? own * sharing() : own;
    const int64_t key_head = kOfKeys ? own : own / sharing();
    head = batch * c.heads + query_head;
    query = batch * c.query_batch_stride + query_head * c.query_head_stride;
    key = batch * c.key_batch_stride + key_head * c.key_head_stride;
    out = batch * c.output_batch_stride + query_head * c.output_head_stride;
  }
  // Query heads of a key head.
  NAMP_DEVICE int64_t sharing() const { return call.heads / call.key_heads; }
  // The next of them.
  NAMP_DEVICE void next_head() {
    ++head;
    query += call.query_head_stride;
    out += call.output_head_stride;
  }
  NAMP_DEVICE int queries() const { return static_cast<int>(call.query_time); }
  NAMP_DEVICE int keys() const { return static_cast<int>(call.key_time); }
  NAMP_DEVICE int rows() const { return kOfKeys ? keys() : queries(); }
  NAMP_DEVICE int dims() const { return static_cast<int>(call.head_dim); }
  // The last query sees the last key.
  NAMP_DEVICE int last_seen(int row) const { return row + keys() - queries(); }
  // The first query that sees the first of the part's keys.
  NAMP_DEVICE int first_seeing() const {
    const int query_row = first_query(first);
    return query_row > 0 ? query_row : 0;
  }
  // Of queries first to first + rows - 1: the first key that none of them sees.
  NAMP_DEVICE int keys_end(int rows) const {
    return call.causal != 0 && first + rows < queries() ? last_seen(first + rows) : keys();
  }
  // The last key that a query sees, and the first query that sees a key.
  NAMP_DEVICE int last_key(int row) const {
    const int last = last_seen(row);
    return call.causal != 0 && last < keys() ? last : keys() - 1;
  }
  NAMP_DEVICE int first_query(int key_row) const {
    return call.causal != 0 ? key_row - (keys() - queries()) : 0;
  }
  // Begins to copy rows of queries, of keys or values, or of the output or its gradient into a tile.
  template <class Copies>
  NAMP_DEVICE void start_query(const Copies& copies, Words* tile, const void* data, int row) const {
    copies.start(tile, data, query + row * call.query_time_stride, queries() - row);
  }
  template <class Copies>
  NAMP_DEVICE void start_key(const Copies& copies, Words* tile, const void* data, int row) const {
    copies.start(tile, data, key + row * call.key_time_stride, keys() - row);
  }
  template <class Copies>
  NAMP_DEVICE void start_out(const Copies& copies, Words* tile, const void* data, int row) const {
    copies.start(tile, data, out + row * call.output_time_stride, queries() - row);
  }
  // Whether all queries from a row on see all of some keys from a column on.
  NAMP_DEVICE bool sees_all(int row, int column, int columns) const {
    return column + columns - 1 <= last_key(row);
  }
};

}  // namespace namp::cuda

// Family 1, fused cast, and the plain scale of family 2.
#include <string>

#include "abi/check.h"
#include "abi/device.h"
#include "abi/table.h"
#include "abi/wall.h"

namespace namp {
namespace {

namp_cast_options check_options(const namp_cast_options* options) {
  if (options == nullptr) return {};
  check_struct(options, "options");
  check_range(options->rounding, NAMP_ROUND_NEAREST_EVEN, NAMP_ROUND_STOCHASTIC,
              "options->rounding");
  check_range(options->flags, 0, NAMP_CAST_SATURATE, "options->flags");
  check_optional_tensor(options->scale, NAMP_FLOAT32, "options->scale");
  return *options;
}

// Destination and source are the same or apart: threads read one part while they write another.
void check_apart(const void* destination, int32_t destination_dtype, const void* source,
                 int32_t source_dtype, int64_t count) {
  const auto to = reinterpret_cast<uintptr_t>(destination);
  const auto from = reinterpret_cast<uintptr_t>(source);
  const auto to_bytes = static_cast<uintptr_t>(count * dtype_size(destination_dtype));
  const auto from_bytes = static_cast<uintptr_t>(count * dtype_size(source_dtype));
  if (to == from && to_bytes == from_bytes) return;
  if (to < from + from_bytes && from < to + to_bytes) {
    fail(NAMP_ERROR_INVALID_ARGUMENT,
         "destination and source overlap; they must be apart, or the same with elements of one "
         "size.");
  }
}

void check_cast(const void* destination, int32_t destination_dtype, const void* source,
                int32_t source_dtype, int64_t count) {
  check_count(count, "count");
  check_float_dtype(destination_dtype, "destination_dtype");
  check_float_dtype(source_dtype, "source_dtype");
  check_tensor(destination, destination_dtype, count, "destination");
  check_tensor(source, source_dtype, count, "source");
  check_apart(destination, destination_dtype, source, source_dtype, count);
}

}  // namespace
}  // namespace namp

int32_t namp_cast(namp_device* device, void* destination, int32_t destination_dtype,
                  const void* source, int32_t source_dtype, int64_t count,
                  const namp_cast_options* options, namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_cast(destination, destination_dtype, source, source_dtype, count);
    const namp_cast_options how = namp::check_options(options);
    if (count == 0) return;
    checked->backend->cast(destination, static_cast<namp_dtype>(destination_dtype), source,
                           static_cast<namp_dtype>(source_dtype), count, how, stream);
  });
}

int32_t namp_cast_table(namp_table* table, int32_t destination_column, int32_t source_column,
                        const namp_cast_options* options, namp_stream stream) {
  return namp::wall([&] {
    namp_table& checked = namp::check_table(table);
    const namp::DeviceUse use(checked.device);
    namp::check_column(checked, destination_column, "destination_column");
    namp::check_column(checked, source_column, "source_column");
    const namp_cast_options how = namp::check_options(options);
    namp::check_cells(checked, destination_column, "destination", true);
    for (int64_t tensor = 0; tensor < checked.view.tensor_count; ++tensor) {
      const namp_cell& destination = checked.cell(tensor, destination_column);
      if (destination.data == nullptr) continue;
      namp::check_cell(checked, tensor, source_column, "source");
      const namp_cell& source = checked.cell(tensor, source_column);
      namp::check_apart(destination.data, destination.dtype, source.data, source.dtype,
                        checked.counts[static_cast<size_t>(tensor)]);
    }
    checked.device.backend->cast_table(checked.view, destination_column, source_column, how,
                                       stream);
  });
}

int32_t namp_scale(namp_device* device, void* destination, int32_t destination_dtype,
                   const void* source, int32_t source_dtype, int64_t count, const float* factor,
                   namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_cast(destination, destination_dtype, source, source_dtype, count);
    namp::check_object(factor, "factor");
    if (count == 0) return;
    checked->backend->scale(destination, static_cast<namp_dtype>(destination_dtype), source,
                            static_cast<namp_dtype>(source_dtype), count, factor, stream);
  });
}

// Family 1, fused cast, the plain scale of family 2, and averages of tables.
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

// Destination and source must be the same or not overlap: threads read one part while they write
// another.
void check_apart(const namp_cell& destination, const namp_cell& source, int64_t count) {
  const auto to = reinterpret_cast<uintptr_t>(destination.data);
  const auto from = reinterpret_cast<uintptr_t>(source.data);
  const auto to_bytes = static_cast<uintptr_t>(count * dtype_size(destination.dtype));
  const auto from_bytes = static_cast<uintptr_t>(count * dtype_size(source.dtype));
  if (to == from && to_bytes == from_bytes) return;
  if (to < from + from_bytes && from < to + to_bytes) {
    fail(NAMP_ERROR_INVALID_ARGUMENT,
         "destination and source overlap; they must be apart, or the same with elements of one "
         "size.");
  }
}

// Codes in blocks are cast from and to float32, as they are.
void check_block_codes(const namp_cell& destination, const namp_cell& source,
                       const namp_cast_options& options) {
  if (!is_block_code(destination.dtype) && !is_block_code(source.dtype)) return;
  const bool reads = is_block_code(source.dtype);
  check_same_dtype(reads ? destination.dtype : source.dtype, NAMP_FLOAT32,
                   reads ? "destination->dtype" : "source->dtype");
  require(
      options.scale == nullptr && options.flags == 0 && options.rounding == NAMP_ROUND_NEAREST_EVEN,
      "Codes in blocks are cast without options: set rounding, flags and scale to 0.");
}

const namp_cell& check_cast_cell(const namp_cell* cell, int64_t count, const char* name) {
  check_object(cell, name);
  check_cast_dtype(cell->dtype, (std::string(name) + "->dtype").c_str());
  check_tensor(cell->data, cell->dtype, count, (std::string(name) + "->data").c_str());
  check_cell_rest(*cell, name);
  return *cell;
}

void cast(namp_device* device, const namp_cell* destination, const namp_cell* source, int64_t count,
          const namp_cast_options& options, namp_stream stream) {
  check_count(count, "count");
  const namp_cell to = check_cast_cell(destination, count, "destination");
  const namp_cell from = check_cast_cell(source, count, "source");
  check_apart(to, from, count);
  check_block_codes(to, from, options);
  if (count == 0) return;
  device->backend->cast(to, from, count, options, stream);
}

}  // namespace
}  // namespace namp

int32_t namp_cast(namp_device* device, const namp_cell* destination, const namp_cell* source,
                  int64_t count, const namp_cast_options* options, namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::cast(device, destination, source, count, namp::check_options(options), stream);
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
    for (int64_t tensor = 0; tensor < checked.view.tensor_count; ++tensor) {
      const namp_cell& destination = checked.cell(tensor, destination_column);
      if (destination.data == nullptr) continue;
      namp::check_cast_cell(checked, tensor, destination_column, "destination");
      namp::check_cast_cell(checked, tensor, source_column, "source");
      namp::check_apart(destination, checked.cell(tensor, source_column),
                        checked.counts[static_cast<size_t>(tensor)]);
      namp::check_block_codes(destination, checked.cell(tensor, source_column), how);
    }
    checked.use_on(stream);
    checked.device.backend->cast_table(checked.view, destination_column, source_column, how,
                                       stream);
  });
}

int32_t namp_average_table(namp_table* table, int32_t average_column, int32_t value_column,
                           float weight, namp_stream stream) {
  return namp::wall([&] {
    namp_table& checked = namp::check_table(table);
    const namp::DeviceUse use(checked.device);
    namp::check_column(checked, average_column, "average_column");
    namp::check_column(checked, value_column, "value_column");
    namp::require(average_column != value_column,
                  "average_column and value_column are the same; they must differ.");
    namp::require(weight >= 0 && weight <= 1, "weight must be from 0 to 1.");
    for (int64_t tensor = 0; tensor < checked.view.tensor_count; ++tensor) {
      if (checked.cell(tensor, average_column).data == nullptr) continue;
      namp::check_cell(checked, tensor, average_column, "average", NAMP_FLOAT32);
      namp::check_cell(checked, tensor, value_column, "value");
    }
    checked.use_on(stream);
    checked.device.backend->average_table(checked.view, average_column, value_column, weight,
                                          stream);
  });
}

int32_t namp_scale(namp_device* device, const namp_cell* destination, const namp_cell* source,
                   int64_t count, const float* factor, namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_object(factor, "factor");
    namp_cast_options options{};
    options.scale = factor;
    namp::cast(device, destination, source, count, options, stream);
  });
}

// The C interface called wrongly: a status, a message that names the argument, and nothing changed.
#include "adam_group.h"
#include "backend_test.h"

namespace namp_test {
namespace {

class MisuseTest : public BackendTest {};

void expect_error(int32_t status, int32_t expected, const char* named) {
  EXPECT_EQ(status, expected) << named << ": " << namp_last_error_message();
  EXPECT_NE(std::string(namp_last_error_message()).find(named), std::string::npos)
      << "'" << namp_last_error_message() << "' does not name " << named;
}

TEST_P(MisuseTest, Cast) {
  Buffer source(device_, NAMP_FLOAT32, {1, 2, 3, 4}), target(device_, NAMP_FLOAT32, {9, 9, 9, 9});
  float* const in = source.floats();
  float* const out = target.floats();
  const auto cast = [&](namp_device* d, void* to, int32_t to_dtype, const void* from,
                        int32_t from_dtype, int64_t count, const namp_cast_options* options) {
    return namp_test::cast(d, cell(to, to_dtype), cell(from, from_dtype), count, options);
  };
  const auto bad = NAMP_ERROR_INVALID_ARGUMENT;
  expect_error(cast(nullptr, out, 1, in, 1, 4, nullptr), bad, "device");
  expect_error(cast(device_, nullptr, 1, in, 1, 4, nullptr), bad, "destination");
  expect_error(cast(device_, out, 1, nullptr, 1, 4, nullptr), bad, "source");
  expect_error(cast(device_, out, 0, in, 1, 4, nullptr), bad, "destination->dtype");
  expect_error(cast(device_, out, NAMP_INT32, in, 1, 4, nullptr), bad, "destination->dtype");
  expect_error(cast(device_, out, 1, in, 77, 4, nullptr), bad, "source->dtype");
  expect_error(cast(device_, out, 1, in, 1, -1, nullptr), bad, "count");
  expect_error(cast(device_, out, 1, in, 1, INT64_MAX, nullptr), bad, "count");
  expect_error(cast(device_, out, 2, in, 1, INT64_MIN, nullptr), bad, "count");
  expect_error(cast(device_, reinterpret_cast<char*>(out) + 1, 1, in, 1, 2, nullptr),
               NAMP_ERROR_MISALIGNED, "destination");
  expect_error(cast(device_, out, 1, reinterpret_cast<char*>(in) + 1, 2, 2, nullptr),
               NAMP_ERROR_MISALIGNED, "source");
  expect_error(cast(device_, in, 2, in, 1, 4, nullptr), bad, "overlap");
  expect_error(cast(device_, in + 1, 1, in, 1, 3, nullptr), bad, "overlap");
  namp_cast_options options{};
  expect_error(cast(device_, out, 1, in, 1, 4, &options), bad, "struct_size");
  options.struct_size = sizeof(options);
  options.rounding = 2;
  expect_error(cast(device_, out, 1, in, 1, 4, &options), bad, "rounding");
  options.rounding = 0;
  options.flags = 6;
  expect_error(cast(device_, out, 1, in, 1, 4, &options), bad, "flags");
  options.flags = 0;
  options.scale = reinterpret_cast<const float*>(reinterpret_cast<char*>(in) + 2);
  expect_error(cast(device_, out, 1, in, 1, 4, &options), NAMP_ERROR_MISALIGNED, "scale");
  options.scale = nullptr;
  options.reserved = 7;
  expect_error(cast(device_, out, 1, in, 1, 4, &options), bad, "options->reserved is 7");
  EXPECT_TRUE(source.unchanged());
  EXPECT_TRUE(target.unchanged());
  EXPECT_EQ(cast(device_, nullptr, 1, nullptr, 2, 0, nullptr), NAMP_OK);
}

// A caller that was compiled with a newer header uses nothing new, or something new.
TEST_P(MisuseTest, StructsThatGrew) {
  Buffer source(device_, NAMP_FLOAT32, {1, 2, 3, 4}), target(device_, NAMP_FLOAT32, {9, 9, 9, 9});
  struct {
    namp_cast_options known;
    uint64_t later[2];
  } options{};
  options.known.struct_size = sizeof(options);
  const namp_cell to = target.cell(), from = source.cell();
  options.later[1] = 1;
  expect_error(namp_cast(device_, &to, &from, 4, &options.known, nullptr), NAMP_ERROR_UNSUPPORTED,
               "newer library");
  EXPECT_TRUE(target.unchanged());
  options.later[1] = 0;
  EXPECT_EQ(namp_cast(device_, &to, &from, 4, &options.known, nullptr), NAMP_OK);
  EXPECT_EQ(target[3], 4.0);
  struct {
    namp_device_info known;
    uint64_t later;
  } info{};
  info.known.struct_size = sizeof(info);
  info.later = 5;
  EXPECT_EQ(namp_device_get_info(&info.known, device_), NAMP_OK);
  EXPECT_EQ(info.known.struct_size, sizeof(namp_device_info));  // the part that is filled in
  EXPECT_EQ(info.later, 5u);
}

TEST_P(MisuseTest, Table) {
  Buffer data(device_, NAMP_FLOAT32, 8);
  const auto bad = NAMP_ERROR_INVALID_ARGUMENT;
  auto* const untouched = reinterpret_cast<namp_table*>(&data);
  const auto create = [&](const std::function<void(namp_table_description&)>& spoil) {
    int64_t counts[] = {8};
    namp_cell cells[] = {data.cell()};
    namp_table_description d{};
    d.struct_size = sizeof(d);
    d.column_count = 1;
    d.tensor_count = 1;
    d.counts = counts;
    d.cells = cells;
    spoil(d);
    namp_table* table = untouched;
    const int32_t status = namp_table_create(&table, device_, &d);
    EXPECT_EQ(table, untouched);
    return status;
  };
  int64_t negative[] = {-1};
  int64_t huge[] = {INT64_MAX};
  int32_t group[] = {INT32_MAX};
  namp_cell no_dtype[] = {cell(data.data(), NAMP_DTYPE_NONE)};
  namp_cell misaligned[] = {cell(static_cast<char*>(data.data()) + 2, NAMP_FLOAT32)};
  namp_cell scaled[] = {cell(data.data(), NAMP_FLOAT32, data.floats())};
  namp_cell reserved[] = {data.cell()};
  reserved[0].reserved = 1;
  using D = namp_table_description;
  expect_error(create([](D& d) { d.struct_size = 3; }), bad, "struct_size");
  expect_error(create([](D& d) { d.column_count = 0; }), bad, "column_count");
  expect_error(create([](D& d) { d.column_count = 9; }), bad, "column_count");
  expect_error(create([](D& d) { d.tensor_count = -1; }), bad, "tensor_count");
  expect_error(create([](D& d) { d.counts = nullptr; }), bad, "counts");
  expect_error(create([](D& d) { d.cells = nullptr; }), bad, "cells");
  expect_error(create([&](D& d) { d.counts = negative; }), bad, "counts");
  expect_error(create([&](D& d) { d.counts = huge; }), bad, "counts");
  expect_error(create([&](D& d) { d.groups = group; }), bad, "groups");
  expect_error(create([&](D& d) { d.cells = no_dtype; }), bad, "dtype");
  expect_error(create([&](D& d) { d.cells = misaligned; }), NAMP_ERROR_MISALIGNED, "tensor 0");
  expect_error(create([&](D& d) { d.cells = scaled; }), bad, "NAMP_FLOAT32 has none");
  expect_error(create([&](D& d) { d.cells = reserved; }), bad, "reserved is 1");
  expect_error(namp_table_create(nullptr, device_, nullptr), bad, "table");

  Table table(device_, {8}, {{data.cell()}});
  expect_error(namp_device_close(device_), bad, "1 tables");
  expect_error(namp_table_set_column(table, 1, no_dtype, nullptr), bad, "column");
  expect_error(namp_table_set_column(table, 0, no_dtype, nullptr), bad, "dtype");
  expect_error(namp_cast_table(table, 0, -1, nullptr, nullptr), bad, "source_column");
  expect_error(namp_cast_table(nullptr, 0, 0, nullptr, nullptr), bad, "table");
  Buffer moved(device_, NAMP_FLOAT16, std::vector<double>(8, 1.0));
  const namp_cell cells[] = {moved.cell()};
  ASSERT_EQ(namp_table_set_column(table, 0, cells, nullptr), NAMP_OK);
  moved.set(3, kInfinity);
  Value<namp_optimizer_state> state(device_);
  ASSERT_EQ(namp_unscale_check(table, 0, -1, nullptr, state.data(), 1, nullptr), NAMP_OK);
  EXPECT_EQ(table.facts(0).first_non_finite_index, 3);
  expect_error(namp_unscale_check(table, 5, -1, nullptr, state.data(), 1, nullptr), bad,
               "gradient_column");
  expect_error(namp_unscale_check(table, 0, -2, nullptr, state.data(), 1, nullptr), bad,
               "write_column");
  expect_error(namp_unscale_check(table, 0, -1, nullptr, nullptr, 1, nullptr), bad, "state");
  expect_error(namp_unscale_check(table, 0, -1, nullptr, state.data(), 2, nullptr), bad, "reset");
}

TEST_P(MisuseTest, Adam) {
  Buffer p(device_, NAMP_FLOAT32, uniform_values(8, 1, -1, 1));
  Buffer g(device_, NAMP_FLOAT16, uniform_values(8, 1, -1, 1));
  Buffer m(device_, NAMP_FLOAT32, std::vector<double>(8, 0.0));
  Buffer v(device_, NAMP_FLOAT32, std::vector<double>(8, 0.0));
  Buffer halves_beside(device_, NAMP_FLOAT16, std::vector<double>(8, 0.0));
  Table table(device_, {8}, {{p.cell(), g.cell(), m.cell(), v.cell(), halves_beside.cell()}}, {1});
  const auto bad = NAMP_ERROR_INVALID_ARGUMENT;
  Value<namp_optimizer_state> state(device_);
  Steps steps(device_, {0});
  const auto step =
      [&](const std::function<void(namp_optimizer_args&, namp_optimizer_group*)>& spoil) {
        namp_optimizer_group groups[2] = {adam_group(1e-3, 0.9, 0.999, 1e-8, 0),
                                          adam_group(1e-3, 0.9, 0.999, 1e-8, 0)};
        namp_optimizer_args args{};
        args.struct_size = sizeof(args);
        args.group_count = 2;
        args.groups = groups;
        args.rule = NAMP_RULE_ADAM;
        args.columns = {0, 1, {2, 3, -1}, -1, -1};
        args.advance_step = 1;
        args.steps = steps.data();
        spoil(args, groups);
        return namp_optimizer_step(table, &args, nullptr, state.data(), nullptr);
      };
  using A = namp_optimizer_args;
  using G = namp_optimizer_group;
  expect_error(step([](A& a, G*) { a.struct_size -= 8; }), bad, "struct_size");
  expect_error(step([](A& a, G*) { a.rule = 0; }), bad, "args->rule is 0");
  expect_error(step([](A& a, G*) { a.rule = 99; }), bad, "args->rule is 99");
  expect_error(step([](A& a, G*) { a.group_count = 0; }), bad, "group_count");
  expect_error(step([](A& a, G*) { a.group_count = -1; }), bad, "group_count");
  expect_error(step([](A& a, G*) { a.group_count = 1; }), bad, "group 1");
  expect_error(step([](A& a, G*) { a.groups = nullptr; }), bad, "groups");
  expect_error(step([](A& a, G*) { a.steps = nullptr; }), bad, "steps");
  const auto misaligned = [](A& a, G*) {
    a.steps = reinterpret_cast<int64_t*>(reinterpret_cast<char*>(a.steps) + 4);
  };
  expect_error(step(misaligned), NAMP_ERROR_MISALIGNED, "steps");
  expect_error(step([](A& a, G*) { a.columns.parameter = -1; }), bad, "columns.parameter");
  expect_error(step([](A& a, G*) { a.columns.remainder = 5; }), bad, "columns.remainder");
  expect_error(step([](A& a, G*) { a.columns.remainder = 4; }), bad,
               "parameter with a remainder of tensor 0");
  expect_error(step([](A& a, G*) { a.columns.compute_copy = 5; }), bad, "compute_copy");
  expect_error(step([](A& a, G*) { a.columns.parameter = 1; }), bad, "column 1 twice");
  expect_error(step([](A& a, G*) { a.columns.compute_copy = 3; }), bad, "column 3 twice");
  expect_error(step([](A& a, G*) { a.columns.state[2] = 0; }), bad, "column 0 twice");
  expect_error(step([](A& a, G*) { a.weight_rounding = -1; }), bad, "weight_rounding");
  expect_error(step([](A& a, G*) { a.max_norm = -1; }), bad, "max_norm");
  expect_error(step([](A& a, G*) { a.max_norm = std::nanf(""); }), bad, "max_norm");
  expect_error(step([](A& a, G*) { a.advance_step = 3; }), bad, "advance_step");
  expect_error(step([](A& a, G*) { a.check_gradients = 2; }), bad, "check_gradients");
  expect_error(step([](A&, G* g) { g[1].beta1 = 1; }), bad, "beta1");
  expect_error(step([](A&, G* g) { g[1].beta2 = std::nan(""); }), bad, "beta2");
  expect_error(step([](A&, G* g) { g[1].learning_rate = INFINITY; }), bad, "learning_rate");
  expect_error(step([](A&, G* g) { g[1].epsilon = -1; }), bad, "epsilon");
  expect_error(step([](A&, G* g) { g[1].amsgrad = 1; }), bad, "max_exp_avg_sq");
  EXPECT_TRUE(p.unchanged());
  EXPECT_EQ(state->step, 0);
  EXPECT_EQ(step([](A&, G*) {}), NAMP_OK);
  EXPECT_EQ(state->step, 1);
  // A check that passed for one step does not count for another step, or for other cells.
  expect_error(step([](A& a, G*) { a.group_count = 1; }), bad, "group 1");
  expect_error(step([](A& a, G*) { a.columns.state[1] = 4; }), bad, "exp_avg_sq of tensor 0");
  expect_error(step([](A&, G* g) { g[1].amsgrad = 1; }), bad, "max_exp_avg_sq");
  EXPECT_EQ(step([](A&, G*) {}), NAMP_OK);
  namp_cell integers = g.cell();
  integers.dtype = NAMP_UINT8;
  ASSERT_EQ(namp_table_set_column(table, 1, &integers, nullptr), NAMP_OK);
  expect_error(step([](A&, G*) {}), bad, "gradient of tensor 0");
  expect_error(step([](A& a, G*) { a.check_gradients = 1; }), bad, "gradient of tensor 0");
  const namp_cell halves = g.cell();
  ASSERT_EQ(namp_table_set_column(table, 1, &halves, nullptr), NAMP_OK);
  EXPECT_EQ(step([](A&, G*) {}), NAMP_OK);
  EXPECT_EQ(state->step, 3);
}

TEST_P(MisuseTest, LossesAndScaler) {
  const auto bad = NAMP_ERROR_INVALID_ARGUMENT;
  Buffer logits(device_, NAMP_FLOAT32, {0, 0, 0, 0}),
      loss(device_, NAMP_FLOAT32, std::vector<double>{9});
  Buffer labels(device_, NAMP_INT32, {0, 1});
  const auto entropy = [&](const std::function<void(namp_cross_entropy_args&)>& spoil) {
    namp_cross_entropy_args a{};
    a.struct_size = sizeof(a);
    a.logits_dtype = NAMP_FLOAT32;
    a.logits = logits.data();
    a.labels = labels.ints();
    a.rows = 2;
    a.classes = 2;
    a.loss = loss.floats();
    spoil(a);
    return namp_cross_entropy(device_, &a, nullptr);
  };
  using C = namp_cross_entropy_args;
  expect_error(entropy([](C& a) { a.struct_size = 0; }), bad, "struct_size");
  expect_error(entropy([](C& a) { a.logits_dtype = 4; }), bad, "logits_dtype");
  expect_error(entropy([](C& a) { a.rows = -2; }), bad, "rows");
  expect_error(entropy([](C& a) { a.classes = 0; }), bad, "classes");
  expect_error(entropy([](C& a) { a.rows = a.classes = int64_t{1} << 40; }), bad, "elements");
  expect_error(entropy([](C& a) { a.labels = nullptr; }), bad, "labels");
  expect_error(entropy([](C& a) { a.row_stride = 1; }), bad, "row_stride");
  expect_error(entropy([](C& a) { a.row_stride = -2; }), bad, "row_stride");
  expect_error(entropy([](C& a) { a.row_stride = int64_t{1} << 58; }), bad, "elements");
  expect_error(entropy([](C& a) { a.mean = 2; }), bad, "mean");
  expect_error(entropy([&](C& a) { a.gradient = logits.data(); }), bad, "gradient_dtype");
  namp_mse_args mse{};
  mse.struct_size = sizeof(mse);
  mse.prediction_dtype = mse.target_dtype = NAMP_FLOAT32;
  mse.prediction = logits.data();
  mse.count = 4;
  mse.loss = loss.floats();
  expect_error(namp_mse(device_, &mse, nullptr), bad, "target");
  EXPECT_TRUE(loss.unchanged());

  Value<namp_scaler_state> scaler(device_, scaler_of(4));
  Value<namp_optimizer_state> state(device_);
  namp_optimizer_state* states[] = {state.data(), nullptr};
  const auto update = [&](const std::function<void(namp_scaler_options&)>& spoil,
                          int32_t count = 1) {
    namp_scaler_options o{
        sizeof(namp_scaler_options), 1, 2.0, 0.5, 0.0f, INFINITY, 1, 0, 0, 0, nullptr};
    spoil(o);
    return namp_scaler_update(device_, scaler.data(), states, count, &o, nullptr);
  };
  using O = namp_scaler_options;
  expect_error(update([](O& o) { o.growth_interval = 0; }), bad, "growth_interval");
  expect_error(update([](O& o) { o.growth_factor = 0.5; }), bad, "growth_factor");
  expect_error(update([](O& o) { o.backoff_factor = 0; }), bad, "backoff_factor");
  expect_error(update([](O& o) { o.backoff_factor = std::nan(""); }), bad, "backoff_factor");
  expect_error(update([](O& o) { o.minimum_scale = -1; }), bad, "minimum_scale");
  expect_error(update([](O& o) { o.maximum_scale = 0; }), bad, "maximum_scale");
  expect_error(update([](O& o) { o.hysteresis = 0; }), bad, "hysteresis");
  expect_error(update([](O& o) { o.growth_delay = -1; }), bad, "growth_delay");
  expect_error(update([](O&) {}, 0), bad, "count");
  expect_error(update([](O&) {}, 2), bad, "states");
  EXPECT_EQ(scaler->scale, 4.0f);
  EXPECT_EQ(scaler->steps, 0);
}

TEST_P(MisuseTest, TouchAndEvent) {
  Buffer data(device_, NAMP_FLOAT32, uniform_values(8, 3, -1, 1));
  Buffer sum(device_, NAMP_INT32, {5, 5});
  Table table(device_, {8}, {{data.cell(), data.cell()}});
  const auto bad = NAMP_ERROR_INVALID_ARGUMENT;
  auto* const checksum = sum.as<uint32_t>();
  const auto touch = [&](namp_table* t, std::vector<int32_t> accesses) {
    return namp_table_touch(checksum, t, accesses.data(), nullptr);
  };
  expect_error(touch(nullptr, {3, 0}), bad, "table");
  expect_error(touch(table, {}), bad, "accesses");
  expect_error(touch(table, {3, 4}), bad, "accesses[1]");
  expect_error(touch(table, {-1, 0}), bad, "accesses[0]");
  const int32_t accesses[] = {3, 0};
  auto* const odd = reinterpret_cast<uint32_t*>(reinterpret_cast<char*>(checksum) + 1);
  expect_error(namp_table_touch(odd, table, accesses, nullptr), NAMP_ERROR_MISALIGNED, "checksum");
  EXPECT_TRUE(data.unchanged());
  EXPECT_TRUE(sum.unchanged());

  namp_event* event = nullptr;
  namp_event* other = nullptr;
  Device another;
  another.open(GetParam());
  expect_error(namp_event_create(&event, nullptr), bad, "device");
  expect_error(namp_event_create(nullptr, device_), bad, "event");
  ASSERT_EQ(namp_event_create(&event, device_), NAMP_OK);
  ASSERT_EQ(namp_event_create(&other, another), NAMP_OK);
  double seconds = 9;
  expect_error(namp_event_record(nullptr, nullptr), bad, "event");
  expect_error(namp_event_elapsed(&seconds, event, event), bad, "from");
  ASSERT_EQ(namp_event_record(event, nullptr), NAMP_OK);
  expect_error(namp_event_elapsed(&seconds, event, nullptr), bad, "to");
  expect_error(namp_event_elapsed(nullptr, event, event), bad, "seconds");
  ASSERT_EQ(namp_event_record(other, nullptr), NAMP_OK);
  expect_error(namp_event_elapsed(&seconds, event, other), bad, "two devices");
  EXPECT_EQ(seconds, 9);
  EXPECT_EQ(namp_event_destroy(event), NAMP_OK);
  EXPECT_EQ(namp_event_destroy(other), NAMP_OK);
  another.close();
}

// A 0 among the sizes does not make another size valid, and an empty tensor costs nothing.
TEST_P(MisuseTest, SizesBesideAZero) {
  Buffer data(device_, NAMP_FLOAT32, uniform_values(64, 3, -1, 1));
  float* const x = data.floats();
  const auto bad = NAMP_ERROR_INVALID_ARGUMENT;
  for (const int64_t wrong : {int64_t{-1}, int64_t{-1000000}, INT64_MIN, INT64_MAX}) {
    auto sum = make_args<namp_sum_args>();
    sum.out_dtype = sum.in_dtype = NAMP_FLOAT32;
    sum.out = x;
    sum.channels = wrong;
    sum.inner = 1;
    expect_error(namp_sum(device_, &sum, nullptr), bad, "channels");
    auto norm = make_args<namp_batch_norm_args>();
    norm.dtype = NAMP_FLOAT32;
    norm.channels = wrong;
    norm.inner = 1;
    norm.running_mean = norm.running_variance = norm.gamma_gradient = x;
    expect_error(namp_batch_norm_forward(device_, &norm, nullptr), bad, "channels");
    expect_error(namp_batch_norm_backward(device_, &norm, nullptr), bad, "channels");
    auto embedding = make_args<namp_embedding_args>();
    embedding.weight_dtype = embedding.output_dtype = NAMP_FLOAT32;
    embedding.vocabulary = wrong;
    expect_error(namp_embedding_forward(device_, &embedding, nullptr), bad, "vocabulary");
    expect_error(namp_embedding_backward(device_, &embedding, nullptr), bad, "vocabulary");
    const int64_t shape[] = {0, wrong};
    const int32_t perm[] = {1, 0};
    expect_error(namp_permute(device_, x, x, NAMP_FLOAT32, 2, shape, perm, nullptr), bad, "shape");
    auto attention = make_args<namp_attention_args>();
    attention.dtype = NAMP_FLOAT32;
    attention.heads = wrong;
    expect_error(namp_attention_forward(device_, &attention, nullptr), bad, "attention");
    auto gemm = make_args<namp_gemm_args>();
    gemm.a_dtype = gemm.b_dtype = gemm.c_dtype = NAMP_FLOAT32;
    gemm.k = wrong;
    expect_error(namp_gemm(device_, &gemm, nullptr), bad, "k is");
    gemm.k = 0;
    gemm.stride_a = wrong;
    expect_error(namp_gemm(device_, &gemm, nullptr), bad, "stride_a");
  }
  EXPECT_TRUE(data.unchanged());
}

TEST_P(MisuseTest, WithoutDepthThereIsNoAAndNoB) {
  Buffer c(device_, NAMP_FLOAT32, std::vector<double>(8, 7.0));
  auto gemm = make_args<namp_gemm_args>();
  gemm.a_dtype = gemm.b_dtype = gemm.c_dtype = NAMP_FLOAT32;
  gemm.m = gemm.n = gemm.batch = 2;
  gemm.ldb = gemm.ldc = 2;
  gemm.stride_a = gemm.stride_b = 1;
  gemm.stride_c = 4;
  gemm.c = c.data();
  gemm.alpha = 1;
  ASSERT_EQ(namp_gemm(device_, &gemm, nullptr), NAMP_OK) << namp_last_error_message();
  EXPECT_EQ(c.values(), std::vector<double>(8, 0.0));
}

TEST_P(MisuseTest, WhatIsEmptyCostsNothing) {
  const auto memory = [&] {
    auto statistics = make_args<namp_memory_statistics>();
    EXPECT_EQ(namp_memory_get_statistics(&statistics, device_.handle()), NAMP_OK);
    return statistics.peak_total_bytes;
  };
  const int64_t before = memory();
  auto norm = make_args<namp_layer_norm_args>();
  norm.input_dtype = norm.output_dtype = NAMP_FLOAT32;
  norm.width = int64_t{1} << 40;
  EXPECT_EQ(namp_layer_norm_backward(device_, &norm, nullptr), NAMP_OK);
  Buffer gamma(device_, NAMP_FLOAT32, {1, 2, 3}), beta(device_, NAMP_FLOAT32, {4, 5, 6});
  const int64_t with_buffers = memory();
  norm.width = 3;
  norm.gamma_gradient = gamma.floats();
  norm.beta_gradient = beta.floats();
  EXPECT_EQ(namp_layer_norm_backward(device_, &norm, nullptr), NAMP_OK);
  EXPECT_EQ(gamma.values(), std::vector<double>(3, 0.0));
  EXPECT_EQ(beta.values(), std::vector<double>(3, 0.0));
  EXPECT_EQ(memory() - with_buffers, 0);
  EXPECT_LE(with_buffers - before, device_.is_gpu() ? 4096 : 0);

  // A tensor without memory may have any size until it gets memory.
  const int64_t counts[] = {int64_t{1} << 50, 3};
  const namp_cell cells[] = {namp_cell{}, gamma.cell()};
  auto description = make_args<namp_table_description>();
  description.column_count = 1;
  description.tensor_count = 2;
  description.counts = counts;
  description.cells = cells;
  namp_table* table = nullptr;
  ASSERT_EQ(namp_table_create(&table, device_, &description), NAMP_OK) << namp_last_error_message();
  EXPECT_LE(memory() - with_buffers, 64 << 10);
  EXPECT_EQ(namp_table_destroy(table), NAMP_OK);
}

TEST_P(MisuseTest, ATensorThatGetsMemoryLaterIsWorkedOn) {
  const int64_t count = kChunk + 5;
  Buffer first(device_, NAMP_FLOAT32, std::vector<double>(static_cast<size_t>(count), 1.0));
  Buffer second(device_, NAMP_FLOAT32, std::vector<double>(static_cast<size_t>(count), 2.0));
  Buffer half(device_, NAMP_FLOAT16, count);
  Buffer other_half(device_, NAMP_FLOAT16, count);
  Table table(device_, {count, count},
              {{namp_cell{}, namp_cell{}}, {second.cell(), other_half.cell()}});
  ASSERT_EQ(namp_cast_table(table, 1, 0, nullptr, nullptr), NAMP_OK) << namp_last_error_message();
  EXPECT_EQ(other_half[count - 1], 2.0);
  const namp_cell sources[] = {first.cell(), second.cell()};
  const namp_cell halves[] = {half.cell(), namp_cell{}};
  ASSERT_EQ(namp_table_set_column(table, 0, sources, nullptr), NAMP_OK);
  ASSERT_EQ(namp_table_set_column(table, 1, halves, nullptr), NAMP_OK);
  ASSERT_EQ(namp_cast_table(table, 1, 0, nullptr, nullptr), NAMP_OK) << namp_last_error_message();
  EXPECT_EQ(half.values(), std::vector<double>(static_cast<size_t>(count), 1.0));
}

TEST(LibraryTest, AnswersWhateverItIsAsked) {
  EXPECT_EQ(namp_struct_size("namp_optimizer_args"),
            static_cast<int64_t>(sizeof(namp_optimizer_args)));
  EXPECT_EQ(namp_struct_size("nothing"), -1);
  EXPECT_EQ(namp_struct_size(nullptr), -1);
  EXPECT_EQ(std::string(namp_status_name(NAMP_ERROR_MISALIGNED)), "NAMP_ERROR_MISALIGNED");
  EXPECT_EQ(std::string(namp_status_name(99)), "unknown status");
  EXPECT_EQ(namp_abi_version(), NAMP_ABI_VERSION);
  namp_device* device = nullptr;
  expect_error(namp_device_open(&device, 3, 0), NAMP_ERROR_INVALID_ARGUMENT, "kind");
  expect_error(namp_device_open(&device, NAMP_DEVICE_CPU, 1), NAMP_ERROR_UNAVAILABLE, "ordinal");
  expect_error(namp_device_open(nullptr, NAMP_DEVICE_CPU, 0), NAMP_ERROR_INVALID_ARGUMENT,
               "device");
  EXPECT_EQ(device, nullptr);
  EXPECT_EQ(namp_device_close(nullptr), NAMP_OK);
}

NAMP_ON_EVERY_DEVICE(MisuseTest);

}  // namespace
}  // namespace namp_test

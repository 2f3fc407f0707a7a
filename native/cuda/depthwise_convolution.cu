// Convolutions of one channel a group: too few products an element for tensor cores, and no columns.
#include "cuda/platform.cuh"

#include "cuda/gather.cuh"
#include "cuda/reduce.cuh"
#include "cuda/view.cuh"
#include "cuda/with_activation.cuh"

namespace namp::cuda {

NAMP_KERNEL(kElementThreads) depthwise_kernel(NAMP_GRID_CONSTANT const DepthwiseArgs args) {
  const GatherAxis& h = args.h;
  const GatherAxis& w = args.w;
  const int64_t count = int64_t{args.images} * args.results * h.result * w.result;
  with_element(args.dtype, [&](auto element) {
    using T = typename decltype(element)::Type;
    for_elements(count, [&](int64_t i) {
      // A position of one of the results of all images.
      const Position at(h, w, static_cast<int>(i));
      const int image = at.image / args.results;
      const int result = at.image - image * args.results;
      const int group = result / args.results_of_group;
      const int groups = args.results / args.results_of_group;
      const int own_h = at.h / h.phases;
      const int own_w = at.w / w.phases;
      const auto& phase_h = h.of[at.h - own_h * h.phases];
      const auto& phase_w = w.of[at.w - own_w * w.phases];
      const int first_y = phase_h.origin + own_h * h.stride;
      const int first_x = phase_w.origin + own_w * w.stride;
      const int64_t plane = int64_t{h.image} * w.image;
      const T* from = static_cast<const T*>(args.image) +
                      (int64_t{image} * groups + group) * args.images_of_group * plane;
      const T* weight = static_cast<const T*>(args.weight) +
                        result * args.images_of_group * args.taps +
                        phase_h.first_tap * args.kernel_w + phase_w.first_tap;
      float sum = 0.0f;
      for (int channel = 0; channel < args.images_of_group; ++channel) {
        for (int tap_h = 0; tap_h < phase_h.taps; ++tap_h) {
          const int y = first_y + tap_h * h.tap_step;
          for (int tap_w = 0; tap_w < phase_w.taps; ++tap_w) {
            const int x = first_x + tap_w * w.tap_step;
            if (!is_inside(h, w, y, x)) continue;
            sum = multiply_add(
                load(from + y * w.image + x),
                load(weight + tap_h * h.weight_step * args.kernel_w + tap_w * w.weight_step), sum);
          }
        }
        from += plane;
        weight += args.taps;
      }
      if (args.bias != nullptr) sum += load(static_cast<const T*>(args.bias) + result);
      with_fused_activation(args.activation,
                            [&](auto activation) { sum = decltype(activation)::forward(sum); });
      store(sum, static_cast<T*>(args.result) + i);
    });
  });
}

NAMP_KERNEL(kElementThreads, 4)
depthwise_weight_kernel(NAMP_GRID_CONSTANT const DepthwiseWeightArgs args) {
  const GatherAxis& h = args.h;
  const GatherAxis& w = args.w;
  const int of_part = args.channels * args.taps;
  const int64_t tasks = blocks(args.images, args.images_of_part) * of_part;
  const int plane = h.result * w.result;
  for (int64_t task = block_index(); task < tasks; task += block_count()) {
    const int part = static_cast<int>(task / of_part);
    const int own = static_cast<int>(task - int64_t{part} * of_part);
    const int channel = own / args.taps;
    const int tap = own - channel * args.taps;
    const int tap_h = tap / args.kernel_w;
    const int first_y = h.of[0].origin + tap_h * h.tap_step;
    const int first_x = w.of[0].origin + (tap - tap_h * args.kernel_w) * w.tap_step;
    const int group = channel / args.channels_of_group;
    const int groups = args.channels / args.channels_of_group;
    const int64_t first = int64_t{part} * args.images_of_part;
    const int64_t left = args.images - first;
    const int64_t images = left < args.images_of_part ? left : args.images_of_part;
    const double sum = with_element(args.dtype, [&](auto element) {
      using T = typename decltype(element)::Type;
      const T* const gradient =
          static_cast<const T*>(args.gradient) + (first * args.channels + channel) * plane;
      const T* const from =
          static_cast<const T*>(args.image) + (first * groups + group) * int64_t{h.image} * w.image;
      LongSum products;
      Position at(h, w, thread_index());
      for (int64_t i = thread_index(); i < images * plane; i += kElementThreads) {
        const int y = first_y + at.h * h.stride;
        const int x = first_x + at.w * w.stride;
        if (is_inside(h, w, y, x)) {
          const int64_t row = int64_t{at.image} * groups * h.image + y;
          products.add(
              load(gradient + int64_t{at.image} * args.channels * plane + at.h * w.result + at.w) *
              load(from + row * w.image + x));
        }
        at.move(h, w, args.walk);
      }
      return products.get();
    });
    const double all = block_reduce(sum, Plus());
    if (thread_index() == 0) args.sums[task] = static_cast<float>(all);
  }
}

}  // namespace namp::cuda

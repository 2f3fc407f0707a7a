// oneDNN's interface for the backend, the same for version 2 (with operation descriptors) and
// version 3 (without). Only this file depends on the version.
#pragma once

#if NATIVEAMP_ONEDNN

#include <dnnl.hpp>

namespace namp::onednn {

using Desc = dnnl::memory::desc;

// Strides, padding and dilation of a convolution; dilation 0 is dense here.
struct Slide {
  dnnl::memory::dims stride;
  dnnl::memory::dims dilation;
  dnnl::memory::dims pad;
};

inline void append_activation(dnnl::post_ops& ops, dnnl::algorithm algorithm, float alpha,
                              float beta) {
#if DNNL_VERSION_MAJOR >= 3
  ops.append_eltwise(algorithm, alpha, beta);
#else
  ops.append_eltwise(1.0f, algorithm, alpha, beta);
#endif
}

// bias may be null.
inline dnnl::matmul::primitive_desc describe_matmul(const dnnl::engine& engine, const Desc& source,
                                                    const Desc& weights, const Desc* bias,
                                                    const Desc& destination,
                                                    const dnnl::primitive_attr& attributes) {
#if DNNL_VERSION_MAJOR >= 3
  if (bias == nullptr) return {engine, source, weights, destination, attributes};
  return {engine, source, weights, *bias, destination, attributes};
#else
  if (bias == nullptr) return {{source, weights, destination}, attributes, engine};
  return {{source, weights, *bias, destination}, attributes, engine};
#endif
}

// bias may be null.
inline dnnl::convolution_forward::primitive_desc describe_forward(
    const dnnl::engine& engine, const Desc& source, const Desc& weights, const Desc* bias,
    const Desc& destination, const Slide& slide, const dnnl::primitive_attr& attributes) {
  constexpr auto kind = dnnl::prop_kind::forward_training;
  constexpr auto direct = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  if (bias == nullptr) {
    return {engine,       kind,           direct,    source,    weights,   destination,
            slide.stride, slide.dilation, slide.pad, slide.pad, attributes};
  }
  return {engine,      kind,         direct,         source,    weights,   *bias,
          destination, slide.stride, slide.dilation, slide.pad, slide.pad, attributes};
#else
  using Operation = dnnl::convolution_forward::desc;
  const Operation operation = bias == nullptr
                                  ? Operation(kind, direct, source, weights, destination,
                                              slide.stride, slide.dilation, slide.pad, slide.pad)
                                  : Operation(kind, direct, source, weights, *bias, destination,
                                              slide.stride, slide.dilation, slide.pad, slide.pad);
  return {operation, attributes, engine};
#endif
}

inline dnnl::convolution_backward_data::primitive_desc describe_backward_data(
    const dnnl::engine& engine, const Desc& source, const Desc& weights, const Desc& destination,
    const Slide& slide, const dnnl::primitive_attr& attributes,
    const dnnl::convolution_forward::primitive_desc& forward) {
  constexpr auto direct = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return {engine,         direct,    source,    weights, destination, slide.stride,
          slide.dilation, slide.pad, slide.pad, forward, attributes};
#else
  return {
      {direct, source, weights, destination, slide.stride, slide.dilation, slide.pad, slide.pad},
      attributes,
      engine,
      forward};
#endif
}

// bias may be null.
inline dnnl::convolution_backward_weights::primitive_desc describe_backward_weights(
    const dnnl::engine& engine, const Desc& source, const Desc& weights, const Desc* bias,
    const Desc& destination, const Slide& slide, const dnnl::primitive_attr& attributes,
    const dnnl::convolution_forward::primitive_desc& forward) {
  constexpr auto direct = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  if (bias == nullptr) {
    return {engine,         direct,    source,    weights, destination, slide.stride,
            slide.dilation, slide.pad, slide.pad, forward, attributes};
  }
  return {engine,       direct,         source,    weights,   *bias,   destination,
          slide.stride, slide.dilation, slide.pad, slide.pad, forward, attributes};
#else
  using Operation = dnnl::convolution_backward_weights::desc;
  const Operation operation = bias == nullptr
                                  ? Operation(direct, source, weights, destination, slide.stride,
                                              slide.dilation, slide.pad, slide.pad)
                                  : Operation(direct, source, weights, *bias, destination,
                                              slide.stride, slide.dilation, slide.pad, slide.pad);
  return {operation, attributes, engine, forward};
#endif
}

}  // namespace namp::onednn

#endif  // NATIVEAMP_ONEDNN

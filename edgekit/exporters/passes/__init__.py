"""Graph passes, one a file. Each leaves what the network computes as it was, and says why it is worth having.

On torch modules, before export (a copy in eval mode goes in, see `trace.prepare`): `fold_constants`, `drop_dropout`,
`fold_batch_norm`, `fold_norm_into_sum`, `trim_dead_taps`, `merge_parallel`, `merge_linear`, `conv1d_to_conv2d`, `softmax_last`,
`batch_norm_to_depthwise`, `rewrite_mish`. On ONNX models: `onnx_strip`,
`onnx_integer_moves`, `onnx_integer_edges`. On TFLite flatbuffers: `tflite_strip`.
"""

"""Graph passes, one a file. Each leaves what the network computes as it was, and says why it is worth having.

On torch modules, before export (a copy in eval mode goes in, see `prepare`): `drop_dropout`, `fold_batch_norm`,
`conv1d_to_conv2d`. On ONNX models: `onnx_strip`, `onnx_integer_moves`, `onnx_integer_edges`. On TFLite flatbuffers:
`tflite_strip`.
"""

"""Trained module to verified model files: ONNX and TFLite, float and int8.

`build.export` is the whole of it; `to_onnx` and `to_tflite` convert, `passes` make the files small and exact, `parity` decides
whether a file may be written, `embed` puts the model card inside it, `targets` lists what is made for whom.
"""

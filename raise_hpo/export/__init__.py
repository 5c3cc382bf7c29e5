"""Takes a trained model out: ONNX, `torch.export` or an MLflow model, each checked against PyTorch on real inputs."""

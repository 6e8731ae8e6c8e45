"""What a command does, as functions: the workstation's side of the road, above training, exporters and the pipeline."""

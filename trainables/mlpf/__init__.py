"""Machine-learned particle flow (MLPF): from tracks and calorimeter towers to particles."""

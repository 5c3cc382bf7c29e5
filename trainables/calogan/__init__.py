"""3DGAN: showers in a calorimeter, made by a generative adversarial network of three-dimensional convolutions."""

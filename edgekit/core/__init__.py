"""Types that travel: specs, recipes, manifests, bundles, registries. Standard library and NumPy alone."""

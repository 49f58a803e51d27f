"""Operations of a class: copies of the kit, kernels, results, JupyterHub."""

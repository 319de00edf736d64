"""Agent pools on a cluster of their own: real pods, real kubelets, and deploys that change what runs beside them."""

"""What replicas share: rate windows, spent nonces, wake-ups. In memory for one replica, over Redis for several."""

select pool_id, split, sample_id from pools

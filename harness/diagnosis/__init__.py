"""Where the work queues: from readings to ranked causes."""

/** A lease that ends soon after its owner was killed: whoever goes on does not wait for long. */
export const shortLease = { ttlMs: 500, renewMs: 100 } as const

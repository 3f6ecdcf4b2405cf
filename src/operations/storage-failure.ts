/** @internal Why a call of `Store` failed, without a full stop, for an operator. `Store` has removed tokens from it. */
export function whyStorageFailed (error: unknown): string {
  const { cause, message } = error as Error // `Store` throws nothing else
  return (cause instanceof Error ? cause.message : message).replace(/\.$/, '')
}

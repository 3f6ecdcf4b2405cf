const maxShown = 60

/** Where what came back differs from what was put, in words; undefined if it does not. Both are plain JSON. */
export function difference (put: unknown, got: unknown, path = 'the record'): string | undefined {
  if (Array.isArray(put) !== Array.isArray(got) || !isObject(put) || !isObject(got)) {
    return put === got ? undefined : `${path} came back as ${show(got)} instead of ${show(put)}`
  }
  for (const key of Object.keys(put)) {
    const inner = path === 'the record' ? `the field ${key}` : `${path}.${key}`
    if (!has(got, key)) return `${inner} was lost`
    const found = difference(put[key], got[key], inner)
    if (found !== undefined) return found
  }
  const added = Object.keys(got).find(key => has(got, key) && !has(put, key))
  return added === undefined ? undefined : `${path === 'the record' ? '' : `${path}: `}a field ${added} came back that was never put`
}

/** A field of its own (`__proto__` is inherited by all); one that is undefined is as good as absent. */
function has (object: Record<string, unknown>, key: string): boolean {
  return Object.hasOwn(object, key) && object[key] !== undefined
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function show (value: unknown): string {
  if (typeof value === 'string' && value.length > maxShown) return `a string of ${value.length} characters`
  const text = String(JSON.stringify(value))
  return text.length > maxShown ? `${text.slice(0, maxShown)}...` : text
}

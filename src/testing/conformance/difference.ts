const maxShown = 60

/** Describes the first difference between two values of plain JSON; undefined if they are the same. */
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

/** Whether an object has its own field of this name (`__proto__` is inherited). An undefined field counts as absent. */
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

/** @internal A number with its noun, such as `1 merchant` and `2 merchants`. */
export function counted (count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** @internal The option `deployment`, resolved. */
export interface DeploymentSettings {
  /** The deployment that this server is part of. */
  name: string
  /** Another deployment whose records are served too, and are bound to this one at their next write. `until`: its end, in Unix seconds. Undefined: none. */
  takeOver: { name: string, until: number } | undefined
}

/**
 * @internal The deployment that a server is part of. A record that is bound to another one is not used: it may be a copy, whose tokens the other
 * deployment refreshes.
 */
export class Deployment {
  readonly #settings: DeploymentSettings
  readonly #clock: { now (): number }

  /** @param clock Unix seconds by Clover's clock */
  constructor (settings: DeploymentSettings, clock: { now (): number }) {
    this.#settings = settings
    this.#clock = clock
  }

  get name (): string {
    return this.#settings.name
  }

  /** Whether this server may use a record that is bound to a deployment. */
  serves (bound: string): boolean {
    const { name, takeOver } = this.#settings
    return bound === name || (bound === takeOver?.name && this.#clock.now() < takeOver.until)
  }
}

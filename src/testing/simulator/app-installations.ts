import type { SimulatedApp, SimulatedMerchant } from './directory.js'

/** The relation of one app and one merchant. */
export interface AppInstallation {
  readonly app: SimulatedApp
  readonly merchant: SimulatedMerchant
  installed: boolean
  /** The merchant has approved the app, and is not asked again until it uninstalls the app. */
  approved: boolean
  /** The number of uninstalls. Codes and tokens of an earlier epoch belong to an installation that has ended. */
  epoch: number
  /** The key of the ecommerce service, created at the first call. */
  pakms?: { apiAccessKey: string, createdTime: number }
}

/** The installations of apps by merchants. */
export class AppInstallations {
  readonly #installations = new Map<string, AppInstallation>()

  /** The relation of an app and a merchant, if there is one. */
  find (app: SimulatedApp, merchant: SimulatedMerchant): AppInstallation | undefined {
    return this.#installations.get(`${app.id} ${merchant.id}`)
  }

  /** Like {@link find}, but creates one that is not installed if there is none. */
  of (app: SimulatedApp, merchant: SimulatedMerchant): AppInstallation {
    const known = this.find(app, merchant)
    if (known !== undefined) return known
    const installation: AppInstallation = { app, merchant, installed: false, approved: false, epoch: 0 }
    this.#installations.set(`${app.id} ${merchant.id}`, installation)
    return installation
  }

  /** Installs and approves the app. */
  approve (app: SimulatedApp, merchant: SimulatedMerchant): AppInstallation {
    return Object.assign(this.of(app, merchant), { installed: true, approved: true })
  }

  /** Uninstalls the app and starts a new epoch. */
  uninstall (app: SimulatedApp, merchant: SimulatedMerchant): void {
    const installation = this.find(app, merchant)
    if (installation?.installed !== true) return
    installation.installed = installation.approved = false
    installation.epoch++
    delete installation.pakms
  }

  clear (): void {
    this.#installations.clear()
  }
}

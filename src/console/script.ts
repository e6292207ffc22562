/** The console's one script: asks its own endpoints, hands what is to be signed to the passkey, and shows what came of it. */
export const script = `
'use strict'
const webauthn = globalThis.SimpleWebAuthnBrowser
const said = (near, text, bad) => {
  const place = near.querySelector('.said') ?? document.querySelector('main .said')
  if (place === null) return
  place.textContent = text
  place.classList.toggle('bad', bad === true)
}
async function ask(path, body, method = 'POST') {
  const response = await fetch(path, {
    method,
    headers: { 'content-type': 'application/json', 'x-valetkey': '1' },
    body: JSON.stringify(body ?? {}),
  })
  const text = await response.text()
  const json = text === '' ? {} : JSON.parse(text)
  if (response.ok) return json
  throw new Error([json.detail, json.hint].filter(Boolean).join(' ') || 'The broker answered ' + response.status + '.')
}
const touch = async (options) => webauthn.startAuthentication({ optionsJSON: options })
const make = async (options) => webauthn.startRegistration({ optionsJSON: options })
const fields = (form) => Object.fromEntries(new FormData(form))
const go = (path) => location.assign(path)
function showCodes(place, codes) {
  place.hidden = false
  const list = place.querySelector('ol')
  list.replaceChildren(...codes.map((code) => {
    const item = document.createElement('li')
    item.textContent = code
    return item
  }))
  place.scrollIntoView({ block: 'nearest' })
  place.querySelector('h2')?.focus()
}
const doing = {
  async 'sign-in'(near) {
    const response = await touch(await ask('/console/api/sign-in/options'))
    await ask('/console/api/sign-in', { response })
    go(near.dataset.next || '/console')
  },
  async enrol(form) {
    const { name, code, label } = fields(form)
    const options = await ask('/console/api/enrol/options', { name, code })
    const response = await make(options)
    const { recovery_codes } = await ask('/console/api/enrol', { name, code, label, response })
    form.hidden = true
    showCodes(document.querySelector('[data-codes]'), recovery_codes)
  },
  async recover(form) {
    const { name, code, label } = fields(form)
    const options = await ask('/console/api/recovery/options', { name, code })
    const response = await make(options)
    const { usable_from } = await ask('/console/api/recovery', { name, code, label, response })
    said(form, 'Done. Your passkey is good from ' + new Date(usable_from).toLocaleString() + ' on, unless somebody cancels it.')
  },
  async 'add-passkey'(form) {
    const { label } = fields(form)
    const asked = await touch(await ask('/console/api/passkeys/assertion'))
    const response = await make(await ask('/console/api/passkeys/options', { response: asked }))
    await ask('/console/api/passkeys', { label, response })
    location.reload()
  },
  async 'remove-passkey'(near) {
    const path = '/console/api/passkeys/' + encodeURIComponent(near.dataset.id)
    const response = await touch(await ask(path + '/assertion'))
    await ask(path, { response }, 'DELETE')
    location.reload()
  },
  async 'recovery-codes'() {
    const response = await touch(await ask('/console/api/recovery-codes/assertion'))
    const { recovery_codes } = await ask('/console/api/recovery-codes', { response })
    showCodes(document.querySelector('[data-codes]'), recovery_codes)
  },
  async approve(near) {
    const path = '/console/api/approvals/' + encodeURIComponent(near.dataset.id)
    const response = await touch(await ask(path + '/options'))
    await ask(path + '/approve', { response })
    location.reload()
  },
  async confirm(near) {
    const boxes = [...document.querySelectorAll('input[name=change]:checked')]
    const changes = near.dataset.id
      ? [{ id: near.dataset.id, digest: near.dataset.digest }]
      : boxes.map((box) => ({ id: box.value, digest: box.dataset.digest }))
    if (changes.length === 0) throw new Error('Tick the changes that you mean.')
    const response = await touch(await ask('/console/api/changes/options', { changes }))
    const ids = changes.map(({ id }) => id)
    const done = await ask('/console/api/changes/confirm', { ids, response })
    const left = done.changes.filter(({ outcome }) => outcome !== 'confirmed')
    if (left.length === 0) {
      const done = document.querySelector('[data-done]')
      if (done === null) return near.dataset.next ? go(near.dataset.next) : location.reload()
      done.hidden = false
      document.querySelector('[data-ask]').hidden = true
      return done.querySelector('h2').focus()
    }
    throw new Error(left.map(({ why }) => why).join(' ') + ' ' +
      (ids.length - left.length) + ' of ' + ids.length + ' confirmed. Load the page again.')
  },
  async print() { window.print() },
}
async function run(near, what) {
  if (near.dataset.busy !== undefined) return
  near.dataset.busy = ''
  said(near, '')
  try {
    await doing[what](near)
  } catch (error) {
    const stopped = error && (error.name === 'NotAllowedError' || error.name === 'AbortError')
    said(near, stopped ? 'The passkey was not used. Nothing was done.' : String(error.message ?? error), true)
  } finally {
    delete near.dataset.busy
  }
}
document.addEventListener('submit', (event) => {
  const what = event.target.dataset.do
  if (what === undefined) return
  event.preventDefault()
  void run(event.target, what)
})
document.addEventListener('click', (event) => {
  const near = event.target.closest('button[data-do]:not([data-hold])')
  if (near === null || near.form?.dataset.do) return
  event.preventDefault()
  void run(near, near.dataset.do)
})
const holdMs = 1200
for (const kind of ['pointerdown', 'keydown']) {
  document.addEventListener(kind, (event) => {
    const near = event.target.closest?.('button[data-hold]')
    if (!near || near.dataset.holding !== undefined || event.repeat) return
    if (kind === 'keydown' && event.key !== 'Enter' && event.key !== ' ') return
    event.preventDefault()
    near.focus()
    near.dataset.holding = ''
    near.classList.add('holding')
    const done = () => {
      clearTimeout(timer)
      near.classList.remove('holding')
      delete near.dataset.holding
      for (const end of ends) document.removeEventListener(end, done)
    }
    const ends = ['pointerup', 'pointercancel', 'keyup', 'blur']
    const timer = setTimeout(() => { done(); void run(near, near.dataset.do) }, holdMs)
    for (const end of ends) document.addEventListener(end, done)
  })
}
for (const time of document.querySelectorAll('time[datetime]')) {
  const at = new Date(time.dateTime)
  if (!Number.isNaN(at.getTime())) time.title = at.toLocaleString()
}
if (document.querySelector('[data-live]') !== null) {
  const source = new EventSource('/console/events')
  let wanted = false
  let loading = false
  const renew = async () => {
    wanted = true
    if (loading) return
    loading = true
    while (wanted) {
      wanted = false
      const response = await fetch(location.href, { headers: { accept: 'text/html', 'x-valetkey': 'live' } }).catch(() => null)
      if (response === null || !response.ok || response.redirected) break
      const fresh = new DOMParser().parseFromString(await response.text(), 'text/html')
      for (const place of document.querySelectorAll('[data-live]')) {
        const other = fresh.getElementById(place.id)
        if (other !== null && other.innerHTML !== place.innerHTML && !place.contains(document.activeElement)) {
          place.replaceChildren(...other.childNodes)
        }
      }
    }
    loading = false
  }
  source.addEventListener('change', () => void renew())
  addEventListener('pagehide', () => source.close())
}
`

/** Writes completion scripts from the tree of commands, so that they cannot disagree with it. Reads nothing else. */
import type { Command } from 'commander'

export type Shell = 'bash' | 'zsh' | 'fish'

/** One command, by the words that lead to it, with what may follow. */
type Place = { path: string; verbs: readonly Word[]; flags: readonly Word[] }
type Word = { text: string; about: string }

export function completionScript(shell: Shell, root: Command): string {
  const places = placesOf(root, [])
  if (shell === 'fish') return fish(places)
  return shell === 'bash' ? bash(places) : zsh(places)
}

function placesOf(command: Command, path: readonly string[]): Place[] {
  const help = command.createHelp()
  const verbs = help.visibleCommands(command)
  const options = [...help.visibleOptions(command), ...help.visibleGlobalOptions(command)]
  const flags = options.flatMap(({ long, description }) =>
    long ? [{ text: long, about: description }] : [],
  )
  const here = {
    path: path.join(' '),
    verbs: verbs.map((verb) => ({ text: verb.name(), about: verb.description() })),
    flags,
  }
  const below = command.commands.flatMap((verb) => placesOf(verb, [...path, verb.name()]))
  return [here, ...below]
}

/** The part that bash and zsh share: which command the words so far lead to. Flags and their values are passed over. */
function walk(places: readonly Place[]): string {
  const paths = places.flatMap(({ path }) => (path === '' ? [] : [`"${path}"`]))
  return `  for word in "\${words_before[@]}"; do
    case "\${path:+$path }$word" in
      ${paths.join('|')}) path="\${path:+$path }$word" ;;
    esac
  done`
}

function bash(places: readonly Place[]): string {
  const cases = places.map(
    ({ path, verbs, flags }) =>
      `    "${path}") choices="${[...verbs, ...flags].map(({ text }) => text).join(' ')}" ;;`,
  )
  return `# bash completion for valetkey: source it, or put it into ~/.local/share/bash-completion/completions/valetkey
_valetkey() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" path="" choices="" word
  local words_before=("\${COMP_WORDS[@]:1:COMP_CWORD-1}")
${walk(places)}
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$choices" -- "$cur"))
}
complete -o default -F _valetkey valetkey`
}

function zsh(places: readonly Place[]): string {
  const cases = places.map(
    ({ path, verbs, flags }) =>
      `    "${path}") choices=(${[...verbs, ...flags].map(({ text, about }) => quoted(`${text}:${about}`)).join(' ')}) ;;`,
  )
  return `#compdef valetkey
# zsh completion for valetkey: put it into a folder of $fpath as _valetkey, or source it after compinit
_valetkey() {
  local path_so_far="" word
  local -a choices words_before
  words_before=("\${(@)words[2,CURRENT-1]}")
${walk(places).replaceAll('path', 'path_so_far')}
  case "$path_so_far" in
${cases.join('\n')}
  esac
  _describe valetkey choices || _files
}
if [ "$funcstack[1]" = "_valetkey" ]; then _valetkey "$@"; else compdef _valetkey valetkey; fi`
}

function fish(places: readonly Place[]): string {
  const lines = places.flatMap(({ path, verbs, flags }) => {
    const when = `-n ${quoted(`__valetkey_at "${path}"`)}`
    return [
      ...verbs.map(
        ({ text, about }) => `complete -c valetkey -f ${when} -a ${text} -d ${quoted(about)}`,
      ),
      ...flags.map(
        ({ text, about }) => `complete -c valetkey ${when} -l ${text.slice(2)} -d ${quoted(about)}`,
      ),
    ]
  })
  const paths = places.flatMap(({ path }) => (path === '' ? [] : [quoted(path)]))
  return `# fish completion for valetkey: put it into ~/.config/fish/completions/valetkey.fish
function __valetkey_at
    set -l path ''
    for word in (commandline -opc)[2..]
        set -l further (string trim "$path $word")
        contains -- "$further" ${paths.join(' ')}; and set path "$further"
    end
    test "$path" = "$argv[1]"
end
${lines.join('\n')}`
}

/** For single quotes of zsh and fish; the text is our own. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", '’')}'`
}

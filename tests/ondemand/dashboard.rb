# What Open OnDemand's dashboard does with an app, as far as its documentation and sources (3.1 to
# 4.2) say: it renders the form, the submission, the job's files and the card's view by ERB, each
# with the objects that the dashboard gives, and makes the batch script of template `basic`.
#
#   ruby dashboard.rb form APP                      prints the form as JSON
#   ruby dashboard.rb stage APP FOLDER <values.json prints the arguments of sbatch as JSON
#   ruby dashboard.rb view APP FOLDER               prints the card's HTML
#
# A problem that the dashboard shows to the participant is printed to stderr; the status is 1 then.

require 'erb'
require 'fileutils'
require 'json'
require 'ostruct'
require 'pathname'
require 'yaml'

Session = Struct.new(:id, :app, :staged_root)
App = Struct.new(:root)
TemplateObjects = Struct.new(:session, :context) do
  def get_binding
    binding
  end
end

def render_yaml(path, binding)
  erb = ERB.new(path.read, trim_mode: '-')
  erb.filename = path.to_s
  YAML.safe_load(erb.result(binding))
end

def form(app)
  render_yaml(app.join('form.yml.erb'), nil)
end

# The values of all fields: text, whatever they were, since a browser sends no other.
def context(app, given)
  fields = form(app)
  fields['form'].to_h do |name|
    field = fields['attributes'].fetch(name, {})
    value = field.is_a?(Hash) ? field['value'] || Array(field.dig('options', 0)).first : field
    [name, given.fetch(name, value).to_s]
  end
end

# What the fields that begin with bc_ ask for by themselves.
def asked_by_fields(values)
  account = values['bc_account'].strip
  { 'wall_time' => values['bc_num_hours'].to_i * 3600,
    'accounting_id' => account.empty? ? nil : account }
end

def stage(app, folder, given)
  folder.mkpath
  folder.chmod(0o700)
  values = context(app, given)
  objects = OpenStruct.new(values.merge(staged_root: folder.to_s))
  submission = render_yaml(app.join('submit.yml.erb'), objects.instance_eval { binding })
  raise "template is not basic: #{submission}" unless submission['batch_connect'] == { 'template' => 'basic' }

  template = app.join('template')
  template.children.reject { |file| file.extname == '.erb' }.each do |file|
    FileUtils.cp(file, folder, preserve: true)
  end
  session = Session.new('session', App.new(app), folder)
  scope = TemplateObjects.new(session, OpenStruct.new(values)).get_binding
  template.glob('*.erb').each do |file|
    rendered = folder.join(file.basename('.erb'))
    rendered.write(ERB.new(file.read, trim_mode: '-').result(scope))
    rendered.chmod(file.stat.mode)
  end
  folder.join('job_script_content.sh').write("#!/bin/bash\n#{batch_script(folder)}")
  puts JSON.generate(arguments(folder, asked_by_fields(values).merge(submission['script']).compact))
end

def arguments(folder, script)
  hours, seconds = script['wall_time'].divmod(3600)
  account = script.key?('accounting_id') ? ['-A', script['accounting_id']] : []
  ['-D', folder.to_s, '-J', 'sys/dashboard/sys/sweep-workshop', '-o', folder.join('output.log').to_s,
   *account, '-t', format('%02d:%02d:%02d', hours, *seconds.divmod(60)), '--export', 'NONE',
   *script.fetch('native', [])]
end

# The batch script of template `basic`: its parts in its order, with its helpers by their names.
def batch_script(folder)
  <<~BASH
    cd #{folder}
    export host port
    clean_up () {
      [[ -e "#{folder}/clean.sh" ]] && source "#{folder}/clean.sh"
      [[ ${SCRIPT_PID} ]] && pkill -P ${SCRIPT_PID} || :
      pkill -P $$
      exit ${1:-0}
    }
    port_used () { (exec 3<>"/dev/tcp/${1%:*}/${1#*:}") 2>/dev/null; }
    find_port () {
      local port
      while port=$(shuf -i 2000-65535 -n 1); port_used "${1:-localhost}:${port}"; do :; done
      echo "${port}"
    }
    create_passwd () { tr -cd '[:alnum:]' </dev/urandom 2>/dev/null | head -c${1:-32}; }
    host=$(hostname)
    [[ -e "#{folder}/before.sh" ]] && source "#{folder}/before.sh"
    echo "Script starting..."
    "#{folder}/script.sh" &
    SCRIPT_PID=$!
    [[ -e "#{folder}/after.sh" ]] && source "#{folder}/after.sh"
    (umask 077; echo -e "host: $host\\nport: $port\\npassword: $password" >"#{folder}/connection.yml")
    wait ${SCRIPT_PID} || clean_up 1
    clean_up
  BASH
end

def view(app, folder)
  connection = OpenStruct.new(YAML.safe_load(folder.join('connection.yml').read))
  puts ERB.new(app.join('view.html.erb').read, trim_mode: '-').result(connection.instance_eval { binding })
end

task, app, folder = ARGV
app = Pathname.new(app)
begin
  case task
  when 'form' then puts JSON.generate(form(app))
  when 'stage' then stage(app, Pathname.new(folder), JSON.parse($stdin.read))
  when 'view' then view(app, Pathname.new(folder))
  end
rescue StandardError => e
  warn e.message
  exit 1
end

# What the templates of this app share: where the kit is, and what a session asks SLURM for.
# A running dashboard has read this file: after a change choose Help, Restart Web Server.

require 'json'
require 'shellwords'
require 'yaml'

module SweepWorkshop
  # Your clusters' profiles, by the names of files in configs/sites: the form offers these, and the
  # first is its default.  The one line that must be edited.
  SITES = ['generic'].freeze

  # The dashboard's address, such as https://ondemand.example.edu.  With it the links that the wandb
  # client prints open in the participant's browser; without it those of the notebooks do.
  DASHBOARD = ''.freeze

  # The clone of the kit with its environment in .venv, which the compute nodes reach under this
  # path: the folder that this app is in, also if the dashboard finds the app through a link.
  KIT = File.expand_path('../..', __dir__)

  # A participant's own copy of the notebooks; a shell in the job expands it.
  COPY = '$HOME/sweep-workshop'.freeze

  # A problem that the participant or the installer can solve; the dashboard shows its sentence.
  class Problem < StandardError; end

  # A profile of configs/sites, with what it leaves out as in slurm/sweep_submission.slrm.
  # Its keys are those of workshop/run_agents/slurm/site.py, which says whether they are right.
  class Profile
    # SLURM's ways to write a time, by what each number counts in seconds.
    TIMES = {
      /\A(\d+)\z/ => [60],
      /\A(\d+):(\d+)\z/ => [60, 1],
      /\A(\d+):(\d+):(\d+)\z/ => [3600, 60, 1],
      /\A(\d+)-(\d+)(?::(\d+)(?::(\d+))?)?\z/ => [86_400, 3600, 60, 1]
    }.freeze

    # The name of a variable of a shell.
    NAME = /\A[A-Za-z_]\w*\z/

    attr_reader :name

    def initialize(name)
      @name = name
      @file = "#{KIT}/configs/sites/#{name}.yaml"
      @values = (YAML.safe_load(File.read(@file)) || {}).compact
      script = File.read("#{KIT}/slurm/sweep_submission.slrm")
      @defaults = script.scan(/^#SBATCH --([\w-]+)=(\S+)/).to_h
    rescue SystemCallError, Psych::Exception => e
      raise Problem, "#{@file} cannot be read (#{e.message}): correct it, or name another " \
                     "profile in SITES of #{__FILE__}"
    end

    def account
      @values['account']
    end

    def cpus
      @values.fetch('cpus', @defaults['cpus-per-task']).to_i
    end

    # Number of GPUs.
    def gpus
      count = gpu_kind_and_count.last
      count ? count.to_i : 1
    end

    # The longest time of a task in whole hours, which is what the dashboard counts in.
    def hours
      time = @values.fetch('time', @defaults['time'])
      # Without quotes, 02:00:00 is the number 7200 to Ruby.
      pattern, seconds = TIMES.find { |known, _| time.is_a?(String) && known.match?(time) }
      unless pattern
        raise Problem, "#{@file}: time is #{time.inspect}, but it must be a time as SLURM writes " \
                       'it, in quotes: "02:00:00"'
      end
      numbers = pattern.match(time).captures.map(&:to_i)
      [numbers.zip(seconds).sum { |number, unit| number * unit }.fdiv(3600).ceil, 1].max
    end

    # Options of sbatch, but for time and account, which the dashboard adds from its form.
    def options(cpus:, gpus:)
      asked = {
        'partition' => @values['partition'],
        'qos' => @values['qos'],
        'mem' => @values.fetch('memory', @defaults['mem']),
        'cpus-per-task' => cpus,
        'gres' => gpus.positive? ? ['gpu', gpu_kind_and_count.first, gpus].compact.join(':') : nil
      }.compact.merge(@values.fetch('options', {})) do |option, own, other|
        option == 'gres' ? "#{own},#{other}" : other
      end
      asked.reject { |_, value| value == false }
           .map { |option, value| value == true ? "--#{option}" : "--#{option}=#{value}" }
    end

    # The shell file to source first, as a word of a shell; nil without one.
    def setup
      @values['setup']&.shellescape
    end

    # Modules to load, in this order, as words of a shell.
    def modules
      @values.fetch('modules', []).map(&:shellescape).join(' ')
    end

    # The folder for temporary files, as a word of a shell, which knows it if the cluster names it in
    # a variable.
    def scratch
      scratch = @values['scratch']
      return '"${SLURM_TMPDIR:-/tmp}"' unless scratch

      scratch.match?(NAME) ? "\"$#{scratch}\"" : scratch.shellescape
    end

    # Variables to set, as words of a shell: NAME=value.
    def environment
      @values.fetch('environment', {}).map do |name, value|
        unless name.to_s.match?(NAME)
          raise Problem, "#{@file}: a name in environment is #{name.inspect}, but it must be " \
                         'letters, digits and _, no digit first'
        end
        "#{name}=#{value.to_s.shellescape}"
      end
    end

    private

    # A profile writes 1, a100:1, or a100 for one of that kind.
    def gpu_kind_and_count
      text = @values['gpus'].to_s
      text.match?(/\A\d*\z/) ? [nil, text] : text.split(/:(?=\d+\z)/).values_at(0, 1)
    end
  end

  module_function

  # The profiles that the form offers.
  def profiles
    SITES.map { |name| Profile.new(name) }
  end

  # What a participant has asked for, as options of sbatch.  The form checks the same in the
  # browser, but a saved or a forged form does not.
  def options(site:, hours:, cpus:, gpus:, account:)
    unless SITES.include?(site)
      raise Problem, "Cluster profile is #{site.inspect}, but it must be one of #{SITES.join(', ')}"
    end
    at_least('Hours', hours, 1)
    unless account.match?(/\A(\w[\w.-]*)?\z/)
      raise Problem, "Account is #{account.inspect}, but it must be a name such as my-project: " \
                     '`sacctmgr show associations user=$USER` lists yours'
    end
    Profile.new(site).options(cpus: at_least('CPUs', cpus, 1), gpus: at_least('GPUs', gpus, 0))
  end

  def at_least(what, value, smallest)
    return value.to_i if value.match?(/\A\d{1,4}\z/) && value.to_i >= smallest

    raise Problem, "#{what} is #{value.inspect}, but it must be a whole number from #{smallest} on"
  end
end
